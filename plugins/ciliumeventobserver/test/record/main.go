// Writes what a Cilium agent's monitor socket sends: events as the datapath lays them out, wrapped and encoded by Cilium's own
// types and Go's encoding/gob; and beside it what Cilium's own parser makes of them.
//
//	go mod init record && go get github.com/cilium/cilium@v1.19.4 && go mod tidy
//	go run . ../../fixtures/cilium
package main

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"encoding/json"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"

	flowpb "github.com/cilium/cilium/api/v1/flow"
	"github.com/cilium/cilium/pkg/hubble/parser/seven"
	"github.com/cilium/cilium/pkg/hubble/parser/threefour"
	"github.com/cilium/cilium/pkg/labels"
	"github.com/cilium/cilium/pkg/monitor"
	"github.com/cilium/cilium/pkg/monitor/api"
	"github.com/cilium/cilium/pkg/monitor/payload"
	"github.com/cilium/cilium/pkg/proxy/accesslog"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"google.golang.org/protobuf/encoding/protojson"
)

type recorded struct {
	What  string          `json:"what"`
	Flow  json.RawMessage `json:"flow,omitempty"`
	Error string          `json:"error,omitempty"`
}

var (
	log     = slog.New(slog.DiscardHandler)
	out     bytes.Buffer
	enc     = gob.NewEncoder(&out)
	events  []recorded
	l34, _  = threefour.New(log, nil, nil, nil, nil, nil, nil)
	l7, _   = seven.New(log, nil, nil, nil, nil)
	eth     = &layers.Ethernet{SrcMAC: mac(1), DstMAC: mac(2), EthernetType: layers.EthernetTypeIPv4}
	eth6    = &layers.Ethernet{SrcMAC: mac(1), DstMAC: mac(2), EthernetType: layers.EthernetTypeIPv6}
	options = gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
)

func mac(n byte) net.HardwareAddr { return net.HardwareAddr{2, 0, 0, 0, 0, n} }

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func ip4(proto layers.IPProtocol) *layers.IPv4 {
	return &layers.IPv4{Version: 4, TTL: 64, Protocol: proto, SrcIP: net.IP{10, 0, 0, 1}, DstIP: net.IP{10, 0, 1, 2}}
}

func ip6(proto layers.IPProtocol) *layers.IPv6 {
	return &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: proto, SrcIP: net.ParseIP("fd00::1"), DstIP: net.ParseIP("fd00:1::2")}
}

func build(all ...gopacket.SerializableLayer) []byte {
	buffer := gopacket.NewSerializeBuffer()
	for _, layer := range all {
		for _, network := range all {
			if n, ok := network.(gopacket.NetworkLayer); ok {
				switch l4 := layer.(type) {
				case *layers.TCP:
					must(l4.SetNetworkLayerForChecksum(n))
				case *layers.UDP:
					must(l4.SetNetworkLayerForChecksum(n))
				case *layers.ICMPv6:
					must(l4.SetNetworkLayerForChecksum(n))
				}
			}
		}
	}
	must(gopacket.SerializeLayers(buffer, options, all...))
	return bytes.Clone(buffer.Bytes())
}

// ring lays an event out as the kernel's ring does: header, packet, and padding that is not zero.
func ring(header any, packet []byte) []byte {
	var b bytes.Buffer
	must(binary.Write(&b, binary.LittleEndian, header))
	b.Write(packet)
	for (b.Len()+4)%8 != 0 {
		b.WriteByte(0xee)
	}
	return b.Bytes()
}

func send(what string, cpu int, data []byte, parse bool) {
	must((&payload.Payload{Data: data, CPU: cpu, Type: payload.EventSample}).EncodeBinary(enc))
	r := recorded{What: what}
	if parse {
		flow := &flowpb.Flow{}
		if err := l34.Decode(data, flow); err != nil {
			r.Error = err.Error()
		} else {
			r.Flow = compact(flow)
		}
	}
	events = append(events, r)
}

func compact(flow *flowpb.Flow) json.RawMessage {
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(flow)
	must(err)
	var b bytes.Buffer
	must(json.Compact(&b, text))
	return b.Bytes()
}

// agent sends an event of the agent's own as Cilium does: its type, and a stream of its own within.
func agent(what string, typ byte, event any) {
	var b bytes.Buffer
	b.WriteByte(typ)
	must(gob.NewEncoder(&b).Encode(event))
	must((&payload.Payload{Data: b.Bytes(), Type: payload.EventSample}).EncodeBinary(enc))
	r := recorded{What: what}
	if record, ok := event.(accesslog.LogRecord); ok {
		flow := &flowpb.Flow{}
		must(l7.Decode(&record, flow))
		r.Flow = compact(flow)
	}
	events = append(events, r)
}

func drop(reason uint8, version uint8, packet []byte) monitor.DropNotify {
	return monitor.DropNotify{Type: api.MessageTypeDrop, SubType: reason, Source: 321, Hash: 0xabcd, OrigLen: uint32(len(packet)) + 1000,
		CapLen: uint16(len(packet)), Version: version, SrcLabel: 12345, DstLabel: 2, Line: 1382, File: 2, Ifindex: 42}
}

func trace(point, reason, version uint8, packet []byte) monitor.TraceNotify {
	return monitor.TraceNotify{Type: api.MessageTypeTrace, ObsPoint: point, Source: 321, OrigLen: uint32(len(packet)),
		CapLen: uint16(len(packet)), Version: version, SrcLabel: 12345, DstLabel: 6789, Reason: reason, Ifindex: 17}
}

func verdict(value int32, flags uint8, packet []byte) monitor.PolicyVerdictNotify {
	return monitor.PolicyVerdictNotify{Type: api.MessageTypePolicyVerdict, Source: 321, OrigLen: uint32(len(packet)), CapLen: uint16(len(packet)),
		Version: 1, RemoteLabel: 4711, Verdict: value, DstPort: 8080, Proto: 6, Flags: flags, Cookie: 99}
}

// older cuts what a release before had not; `at` to `to` is left out.
func older(header any, size int, packet []byte) []byte {
	var b bytes.Buffer
	must(binary.Write(&b, binary.LittleEndian, header))
	return ring(b.Bytes()[:size], packet)
}

func endpoint(ip string, port uint16) accesslog.EndpointInfo {
	info := accesslog.EndpointInfo{ID: 321, Port: port, Identity: 12345, Labels: labels.ParseLabelArray("k8s:app=web", "k8s:io.kubernetes.pod.namespace=shop")}
	if addr := netip.MustParseAddr(ip); addr.Is4() {
		info.IPv4 = ip
	} else {
		info.IPv6 = ip
	}
	return info
}

func main() {
	syn := &layers.TCP{SrcPort: 40000, DstPort: 8080, SYN: true}
	tcp := build(eth, ip4(6), syn)
	synack := build(eth, ip4(6), &layers.TCP{SrcPort: 8080, DstPort: 40000, SYN: true, ACK: true, ECE: true})
	udp := build(eth, ip4(17), &layers.UDP{SrcPort: 5000, DstPort: 53}, gopacket.Payload("hello"))
	tcp6 := build(eth6, ip6(6), &layers.TCP{SrcPort: 40001, DstPort: 443, ACK: true, PSH: true, NS: true})
	sctp := build(eth, ip4(132), &layers.SCTP{SrcPort: 7000, DstPort: 7001})
	icmp := build(eth, ip4(1), &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(3, 1)})
	icmp6 := build(eth6, ip6(58), &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(135, 0)}, gopacket.Payload(make([]byte, 20)))
	arp := build(&layers.Ethernet{SrcMAC: mac(1), DstMAC: mac(255), EthernetType: layers.EthernetTypeARP}, gopacket.Payload(make([]byte, 28)))
	bare6 := build(ip6(17), &layers.UDP{SrcPort: 1, DstPort: 2})
	inner := build(&layers.Ethernet{SrcMAC: mac(8), DstMAC: mac(9), EthernetType: layers.EthernetTypeIPv4},
		&layers.IPv4{Version: 4, TTL: 63, Protocol: 6, SrcIP: net.IP{10, 9, 0, 1}, DstIP: net.IP{10, 9, 0, 2}}, &layers.TCP{SrcPort: 1234, DstPort: 80, FIN: true, ACK: true})
	vxlan := build(eth, ip4(17), &layers.UDP{SrcPort: 33333, DstPort: 8472}, &layers.VXLAN{ValidIDFlag: true, VNI: 5}, gopacket.Payload(inner))
	geneve := build(eth, ip4(17), &layers.UDP{SrcPort: 33333, DstPort: 6081}, gopacket.Payload(append([]byte{1, 0, 0x65, 0x58, 0, 0, 5, 0, 1, 2, 3, 0}, inner...)))

	d := drop(133, 3, tcp)
	send("drop, policy denied, on the way out", 0, ring(d, tcp), true)
	d = drop(181, 3, tcp6)
	d.DstID, d.Flags = 555, 1
	send("drop, denied by a deny rule, on the way in, IPv6", 1, ring(d, tcp6), true)
	d = drop(169, 2, udp)
	d.ExtError, d.File = -3, 1
	send("drop of version 2, no route", 127, older(d, 40, udp), true)
	send("drop of version 1, SCTP", 2, older(drop(137, 1, sctp), 36, sctp), true)
	send("drop, a reason nobody knows yet", 0, ring(drop(249, 3, icmp), icmp), true)
	d = drop(133, 3, bare6)
	d.Flags = 3
	send("drop on a device without Ethernet, IPv6", 0, ring(d, bare6), true)
	send("drop of ARP", 0, ring(drop(139, 3, arp), arp), true)
	send("drop without its packet", 0, ring(drop(155, 3, nil), nil), true)

	send("trace from endpoint, new", 3, ring(trace(api.TraceFromLxc, 0, 2, tcp), tcp), true)
	t := trace(api.TraceToLxc, 2, 2, synack)
	t.DstID = 321
	send("trace to endpoint, reply", 3, ring(t, synack), true)
	send("trace to stack, established, encrypted", 0, ring(trace(api.TraceToStack, 1|0x80, 2, udp), udp), true)
	t = trace(api.TraceToNetwork, 0, 2, tcp)
	copy(t.OrigIP[:], []byte{10, 7, 7, 7})
	send("trace to network, source translated", 0, ring(t, tcp), true)
	t = trace(api.TraceToNetwork, 0, 1, tcp6)
	copy(t.OrigIP[:], net.ParseIP("fd00:7::7"))
	t.Flags = 1
	send("trace of version 1 to network, source translated, IPv6", 0, older(t, 48, tcp6), true)
	send("trace of version 0 from network, unknown", 0, older(trace(api.TraceFromNetwork, 5, 0, icmp6), 32, icmp6), true)
	t = trace(api.TraceToProxy, 1, 2, tcp)
	t.DstID = 15001
	send("trace to proxy", 0, ring(t, tcp), true)
	t = trace(api.TraceFromNetwork, 5, 2, vxlan)
	t.Flags = 4
	send("trace from network, VXLAN", 0, ring(t, vxlan), true)
	t = trace(api.TraceToNetwork, 5, 2, geneve)
	t.Flags = 8
	send("trace to network, Geneve", 0, ring(t, geneve), true)
	send("trace to overlay, SRv6", 0, ring(trace(api.TraceToOverlay, 6, 2, udp), udp), true)
	send("trace from crypto, related", 0, ring(trace(api.TraceFromCrypto, 3, 2, icmp), icmp), true)

	send("policy verdict, allowed on the way in by L3 and L4", 0, ring(verdict(0, 1|2<<3, tcp), tcp), true)
	send("policy verdict, denied on the way out", 0, ring(verdict(-133, 2, tcp), tcp), true)
	send("policy verdict, redirected", 0, ring(verdict(15002, 2|3<<3, tcp), tcp), true)
	v := verdict(0, 1|4|1<<3|0x40, tcp6)
	v.AuthType = 1
	send("policy verdict, audited, authentication asked for, IPv6", 0, ring(v, tcp6), true)
	send("policy verdict of Cilium before 1.19", 0, older(verdict(-133, 1, udp), 32, udp), false)

	c := monitor.DebugCapture{Type: api.MessageTypeCapture, SubType: 4, Source: 321, OrigLen: uint32(len(tcp)), Len: uint16(len(tcp)), Version: 1, Arg1: 23}
	must(binary.Write(&bytes.Buffer{}, binary.LittleEndian, c))
	send("capture, delivery", 0, ring(c, tcp), true)
	send("debug message", 0, []byte{api.MessageTypeDebug, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}, false)
	send("event of a socket", 0, append([]byte{api.MessageTypeTraceSock}, make([]byte, 37)...), false)

	must((&payload.Payload{CPU: 1, Lost: 1234567, Type: payload.RecordLost}).EncodeBinary(enc))
	update := api.PolicyUpdateMessage(3, []string{"k8s:io.cilium.k8s.policy.name=rule1"}, 7)
	notify, err := update.ToJSON()
	must(err)
	agent("agent, policy updated", api.MessageTypeAgent, notify)

	reason := accesslog.DropReason(133)
	address, err := url.Parse("http://api/secret?token=1")
	must(err)
	record := accesslog.LogRecord{Type: accesslog.TypeRequest, Timestamp: "2026-01-02T03:04:05.123Z", ObservationPoint: accesslog.Egress,
		SourceEndpoint: endpoint("10.0.0.1", 40000), DestinationEndpoint: endpoint("10.0.1.2", 80), Verdict: accesslog.VerdictForwarded,
		TransportProtocol: 6, HTTP: &accesslog.LogRecordHTTP{Code: 0, Method: "GET", URL: address, Protocol: "HTTP/1.1",
			Headers: map[string][]string{"Authorization": {"secret"}, "X-Request-Id": {"1"}}}}
	agent("HTTP request", api.MessageTypeAccessLog, record)
	record.Type, record.Verdict, record.DropReason = accesslog.TypeResponse, accesslog.VerdictDenied, &reason
	record.SourceEndpoint, record.DestinationEndpoint = record.DestinationEndpoint, record.SourceEndpoint
	record.HTTP.Code = 403
	agent("HTTP response, denied", api.MessageTypeAccessLog, record)
	dns := accesslog.LogRecord{Type: accesslog.TypeRequest, Timestamp: "2026-01-02T03:04:05Z", ObservationPoint: accesslog.Egress, IPVersion: accesslog.VersionIPV6,
		SourceEndpoint: endpoint("fd00::1", 5353), DestinationEndpoint: endpoint("fd00::53", 53), Verdict: accesslog.VerdictForwarded, TransportProtocol: 17,
		DNS: &accesslog.LogRecordDNS{Query: "example.com.", ObservationSource: accesslog.DNSSourceProxy, QTypes: []uint16{28}}}
	agent("DNS query", api.MessageTypeAccessLog, dns)
	dns.Type = accesslog.TypeResponse
	dns.SourceEndpoint, dns.DestinationEndpoint = dns.DestinationEndpoint, dns.SourceEndpoint
	dns.DNS = &accesslog.LogRecordDNS{Query: "example.com.", IPs: []netip.Addr{netip.MustParseAddr("93.184.216.34"), netip.MustParseAddr("2606:2800:220:1::1")},
		TTL: 300, CNAMEs: []string{"edge.example.net."}, ObservationSource: accesslog.DNSSourceProxy, QTypes: []uint16{28}, AnswerTypes: []uint16{5, 1, 28}}
	agent("DNS answer", api.MessageTypeAccessLog, dns)

	must(os.WriteFile(os.Args[1]+".gob", out.Bytes(), 0o644))
	must(os.WriteFile(os.Args[1]+"-kinds.gob", kinds(), 0o644))
	must(os.WriteFile(os.Args[1]+"-endpoint.json", endpointModel(), 0o644))
	var lines bytes.Buffer
	for _, event := range events {
		must(json.NewEncoder(&lines).Encode(event))
	}
	must(os.WriteFile(os.Args[1]+".jsonl", lines.Bytes(), 0o644))
}
