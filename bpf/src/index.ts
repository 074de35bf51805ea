export { compileFolder, type Compiled, type CompileOptions } from './compile.ts';
export { BuildError } from './errors.ts';
export { describeObject, type Constant, type ObjectDescription } from './object.ts';
