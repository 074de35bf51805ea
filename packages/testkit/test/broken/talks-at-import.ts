import fine from './fine.ts';

process.stdout.write('hello\n');

export default fine;
