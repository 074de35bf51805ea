export * from './address.ts';
export * from './ip.ts';
export { checksum, ETHERTYPE, type Layer, PROTOCOL } from './layer.ts';
export * from './packet.ts';
export * from './shapes.ts';
export * from './transport.ts';
