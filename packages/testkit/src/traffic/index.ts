export { generator } from './generator.ts';
export * from './traffic.ts';
