import fine from './fine.ts';

// What runs before anybody has started it.
setInterval(() => undefined, 1000);

export default fine;
