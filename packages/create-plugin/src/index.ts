export { createPackage, type Created, type CreateOptions } from './create.ts';
export { TEMPLATES, type Template } from './templates.ts';
