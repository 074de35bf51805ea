/** What is known of a TCP connection beside its packets; what is left out or 0 is unknown. */
export interface FlowAnnotation {
  /** 16 bytes each; as the packets of either direction have them. */
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly protocol: number;
  /** Smoothed and smallest round-trip time, and from SYN to established, in microseconds. */
  readonly rttMicros?: number;
  readonly minRttMicros?: number;
  readonly setupMicros?: number;
  /** Segments retransmitted from source to destination since the last annotation. */
  readonly retransmits?: number;
}
