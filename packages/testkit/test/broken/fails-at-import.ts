import fine from './fine.ts';

if (fine.name) throw new Error('not on this machine');

export default fine;
