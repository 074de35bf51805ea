import { Host, loadConfig } from '@retina/core';
const host = await Host.start(loadConfig({ text: process.argv[2], environment: {} }).config);
console.log('ready'); process.stdin.on('data',()=>{ const o={}; for (const f of host.metrics.families()) if (/drop_/.test(f.name)) for (let i=0;i<f.size;i++) if (f.live(i)) o[f.name+f.labels.map((_,j)=>f.label(i,j))]=f.value(i); console.log(JSON.stringify(o)); console.log('recs', host.flows.records)}); process.stdin.on('end',async()=>{await host.stop();process.exit()});
