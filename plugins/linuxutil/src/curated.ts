/** The original's keys, by the section of /proc/net/netstat they lie in. */
const TCP = [
  'TcpExt.ListenDrops', 'TcpExt.LockDroppedIcmps', 'TcpExt.PFMemallocDrop', 'TcpExt.TCPBacklogDrop',
  'TcpExt.TCPDeferAcceptDrop', 'TcpExt.TCPMinTTLDrop', 'TcpExt.TCPRcvQDrop', 'TcpExt.TCPReqQFullDrop',
  'TcpExt.TCPZeroWindowDrop', 'TcpExt.TCPTimeouts', 'TcpExt.TCPLossProbes', 'TcpExt.TCPLostRetransmit',
  'MPTcpExt.DataCsumErr', 'MPTcpExt.AddAddrDrop', 'MPTcpExt.RmAddrDrop',
]; // prettier-ignore
const IP = ['IpExt.InCsumErrors'];

/** `Protocol.Name` of what goes to which family. */
export const CURATED = { tcp_connection_stats: TCP, ip_connection_stats: IP } as const;
