export * from './packets/index.ts';
