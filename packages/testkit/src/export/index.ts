export * from './certificates.ts';
export * from './family.ts';
