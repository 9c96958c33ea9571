// Cases of the prober that need network namespaces of their own. The tests run them under unshare(1), one case in a
// process.
import CNodeShim
import Glibc
import LinuxKernel
import NodeProtocol
import Prober

let name = CommandLine.arguments.dropFirst().first ?? ""
do {
    switch name {
    case "all-pairs": try allPairs()
    case "outcomes": try outcomes()
    case "loss": try loss()
    case "streams": try streams()
    case "no-slot": try noSlot()
    case "slow-reader": try slowReader()
    case "foreign-server": try foreignServer()
    default: throw Failed("unknown case \(name)")
    }
} catch {
    print("\(name): \(error)")
    exit(1)
}

func allPairs() throws {
    let field = try Field(pods: 24)
    let (summary, results) = try field.probe(id: 1, deadlineMillis: 5000, to: field.targets)
    print("\(results.count) probes in \(summary.elapsedMicros) us")
    try expect(results.count == 24 * 23 * 3, "\(results.count) results")
    for result in results {
        try expect(result.outcome == .open, "\(result)")
        let own = field.address(Int(result.sourceIndex)).rawValue
        try expect(
            result.protocol == .icmp || result.seen == SeenAddress(address: own, port: result.localPort), "\(result)")
    }
    let sightings = field.receivers.sightings(plan: 1)
    try expect(sightings.count >= results.count, "\(sightings.count) sightings")
    for sighting in sightings {
        let owner = field.address(Int(sighting.targetIndex)).rawValue
        try expect(sighting.receiver == owner, "\(sighting)")
    }
    try expect(field.receivers.sightings(plan: 2).isEmpty, "sightings of a plan that never was")
}

func outcomes() throws {
    let field = try Field(pods: 5)
    try field.rules(1, "ip saddr 10.77.0.1 drop")
    try field.rules(2, "ip saddr 10.77.0.1 reject with icmp type admin-prohibited")
    try field.rules(3, "tcp dport 8080 reject with tcp reset")
    func target(_ index: Int, _ address: String, _ port: UInt16 = 8080) -> ProbeTarget {
        ProbeTarget(index: index, address: address, port: port)
    }
    let expected: [(ProbeTarget, [ProbeProtocolCode: ProbeOutcome])] = [
        (target(1, "10.77.0.2"), [.tcp: .timeout(error: 0), .udp: .timeout(error: 0), .icmp: .timeout(error: 0)]),
        (
            target(2, "10.77.0.3"),
            [.tcp: .unreachable(code: 13), .udp: .unreachable(code: 13), .icmp: .unreachable(code: 13)]
        ),
        (target(3, "10.77.0.4"), [.tcp: .refused, .udp: .open, .icmp: .open]),
        (target(4, "10.77.0.5", 9), [.tcp: .refused, .udp: .refused, .icmp: .open]),
        (
            target(5, "10.77.9.9"),
            [.tcp: .unreachable(code: 1), .udp: .unreachable(code: 1), .icmp: .unreachable(code: 1)]
        ),
        (
            target(6, "203.0.113.1"),
            [.tcp: .unreachable(code: 0), .udp: .unreachable(code: 0), .icmp: .unreachable(code: 0)]
        ),
    ]
    let (summary, results) = try field.probe(id: 7, deadlineMillis: 6000, to: expected.map(\.0), from: [0])
    for (target, wanted) in expected {
        let own = results.filter { Int($0.targetIndex) == target.index }
        try expect(own.count == wanted.count, "\(target.address): \(own.count) results of \(wanted.count)")
        for result in own { try expect(wanted[result.protocol] == result.outcome, "\(target.address): \(result)") }
    }
    try expect((6_000_000...6_200_000).contains(summary.elapsedMicros), "ended after \(summary.elapsedMicros) us")
    let absent = try field.probe(
        id: 8, deadlineMillis: 1000, to: [target(1, "10.77.0.5")],
        sources: [ProbeSource(index: 0, pod: PodReference(namespace: "x", name: "gone"))])
    try expect(absent.results.count == 3, "\(absent.results.count) results of a pod that is gone")
    for result in absent.results { try expect(result.outcome == .notMeasured(error: UInt16(ENOENT)), "\(result)") }
}

func loss() throws {
    let field = try Field(pods: 2)
    try field.rules(1, "numgen random mod 100 < 40 drop")
    let (_, results) = try field.probe(
        id: 1, deadlineMillis: 3000, to: [field.targets[1]], from: [0], protocols: ["udp", "icmp"], count: 100)
    try expect(results.count == 2, "\(results.count) results")
    for result in results {
        guard case .loss(let percent) = result.outcome else { throw Failed("\(result)") }
        try expect(result.sent == 100 && (15...65).contains(percent), "\(result)")
    }
    try field.clear(1)
    // 100 packets at intervals of 5 ms do not fit into half of 400 ms, although each packet that was sent is answered.
    let (_, cut) = try field.probe(
        id: 2, deadlineMillis: 400, to: [field.targets[1]], from: [0], count: 100)
    try expect(cut.count == 3, "\(cut.count) results")
    for result in cut {
        if result.protocol == .tcp {
            try expect(result.outcome == .open, "\(result)")
        } else {
            try expect(result.outcome == .notMeasured(error: 0), "\(result)")
            try expect(result.sent > 0 && result.sent < 100 && result.answered > 0, "\(result)")
        }
    }
}

func streams() throws {
    let field = try Field(pods: 3)
    let streams = Streams()
    let sources = [0, 1].map { ProbeSource(index: $0, pod: field.pods[$0]) }
    try streams.open(
        StreamPlan(
            id: 1, intervalMillis: 10, protocols: ["tcp", "udp", "icmp"], sources: sources, targets: [field.targets[2]],
            pairs: [[0], [0]]), namespacePath: field.path)
    let opened = try streams.read(1).count
    try expect(opened == 6, "\(opened) streams of 2 pods over 3 protocols")
    try waitFor("answers") { try streams.read(1).allSatisfy { $0.established && $0.answered > 20 } }
    try field.rules(2, "ip saddr 10.77.0.1 drop")
    let from = MonotonicTime.now
    try waitFor("silence") {
        try streams.read(1).allSatisfy { $0.source == 0 ? $0.silentMillis >= 300 : $0.silentMillis < 250 }
    }
    try waitFor("a gap of 300 ms") {
        try streams.read(1).filter { $0.source == 0 }.allSatisfy { $0.longestGapMillis >= 300 }
    }
    try field.clear(2)
    let down = MonotonicTime.now.since(from).seconds * 1000
    let counts = try streams.read(1).map(\.answered)
    try waitFor("answers again") {
        try zip(streams.read(1), counts).allSatisfy { $0.answered > $1 + 5 && $0.established }
    }
    for reading in try streams.read(1) {
        print("\(reading)")
        if reading.source == 1 { try expect(reading.longestGapMillis < 250, "\(reading)") }
        // TCP sends again after doubling timeouts, so its gap ends later than the fault.
        if reading.source == 0, reading.protocol != "tcp" {
            try expect(Double(reading.longestGapMillis) < down + 250, "\(reading), down \(down) ms")
        }
    }
    field.receivers.close(field.pods[2])
    try waitFor("the end of TCP") { try streams.read(1).allSatisfy { $0.protocol != "tcp" || $0.ended != nil } }
    // A connection that has ended is not answered any more, and its gap goes on.
    try waitFor("a gap of 300 ms after the end") {
        try streams.read(1).allSatisfy { $0.protocol != "tcp" || $0.longestGapMillis >= 300 && $0.silentMillis >= 300 }
    }
    try streams.close(1)
    do {
        _ = try streams.read(1)
        throw Failed("closed streams still answer")
    } catch is NodeFailure {}
}

/// There are more pairs than descriptors. The others wait for their turn, and have the whole deadline then.
func noSlot() throws {
    let field = try Field(pods: 2)
    try field.rules(1, "drop")
    var limit = rlimit(rlim_cur: 128, rlim_max: 4096)
    setrlimit(__rlimit_resource_t(7), &limit)  // RLIMIT_NOFILE: budget is half of it
    let targets = (0..<100).map { ProbeTarget(index: $0, address: "10.77.0.2", port: UInt16(1000 + $0)) }
    let (_, results) = try field.probe(id: 1, deadlineMillis: 1000, to: targets, from: [0], protocols: ["tcp"])
    let timeouts = results.filter { $0.outcome == .timeout(error: 0) }.count
    try expect(timeouts == 100, "\(timeouts) timeouts of 100")
}

/// A caller does not read for a while, like one whose path is down. The receiver answers everything when it reads
/// again.
func slowReader() throws {
    let field = try Field(pods: 2)
    let receiver = field.address(1)
    let connection = try NetworkNamespace(path: field.path(field.pods[0])).run {
        let connection = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var room: Int32 = 4096
        setsockopt(connection, SOL_SOCKET, SO_RCVBUF, &room, 4)
        var to = sockaddr_in()
        to.sin_family = sa_family_t(AF_INET)
        to.sin_port = in_port_t(8080).bigEndian
        to.sin_addr.s_addr = receiver.networkByteOrder
        let status = withUnsafeBytes(of: &to) {
            connect(connection, $0.baseAddress?.assumingMemoryBound(to: sockaddr.self), 16)
        }
        try expect(status == 0, "connect: \(errno)")
        return connection
    }
    var packet = node_probe_packet()
    packet.magic = NODE_PROBE_MAGIC
    packet.protocol = ProbeProtocolCode.tcp.rawValue
    let length = MemoryLayout<node_probe_packet>.size
    let request = withUnsafeBytes(of: packet) { Array($0) }
    // Fills both directions, until the receiver cannot send an answer any more.
    var sent = 0
    var writable = pollfd(fd: connection, events: Int16(POLLOUT), revents: 0)
    while poll(&writable, 1, 300) == 1 {
        let count = send(connection, request, length, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
        if count < 0 && errno == EAGAIN { continue }
        try expect(count >= 0, "ended after \(sent) octets: \(errno)")
        sent += count
    }
    try expect(sent > 100_000, "only \(sent) octets were taken")
    var received = 0
    var buffer = [UInt8](repeating: 0, count: 65536)
    var readable = pollfd(fd: connection, events: Int16(POLLIN), revents: 0)
    while received < sent / length * length {
        try expect(poll(&readable, 1, 10_000) == 1, "\(received) of \(sent) octets came back")
        let count = recv(connection, &buffer, buffer.count, 0)
        try expect(count > 0, "ended after \(received) of \(sent) octets")
        received += count
    }
    close(connection)
}

/// A server that answers no probe, such as an API server: the connection alone is the answer.
func foreignServer() throws {
    let field = try Field(pods: 3)
    let listener = try NetworkNamespace(path: field.path(field.pods[1])).run {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var here = sockaddr_in()
        here.sin_family = sa_family_t(AF_INET)
        here.sin_port = in_port_t(6443).bigEndian
        let status = withUnsafeBytes(of: &here) {
            bind(listener, $0.baseAddress?.assumingMemoryBound(to: sockaddr.self), 16)
        }
        try expect(status == 0 && listen(listener, 16) == 0, "bind: \(errno)")
        return listener
    }
    func probe(_ number: Int, id: UInt64, isForeign: Bool?) throws -> ProbeResult {
        let target = ProbeTarget(
            index: number, address: field.address(number).description, port: 6443, protocols: ["tcp"],
            isForeign: isForeign)
        let (_, results) = try field.probe(id: id, deadlineMillis: 1500, to: [target], from: [0])
        try expect(results.count == 1, "\(results)")
        return results[0]
    }
    let open = try probe(1, id: 1, isForeign: true)
    try expect(open.outcome == .open && open.answered == 1 && open.seen == nil && open.localPort != 0, "\(open)")
    try expect(open.roundTripMicros < 1_000_000, "\(open)")
    let silent = try probe(1, id: 2, isForeign: nil)
    try expect(silent.outcome == .timeout(error: 0), "\(silent)")
    let refused = try probe(2, id: 3, isForeign: true)
    try expect(refused.outcome == .refused, "\(refused)")
    try field.rules(1, "tcp dport 6443 drop")
    let lost = try probe(1, id: 4, isForeign: true)
    try expect(lost.outcome == .timeout(error: 0) && lost.answered == 0, "\(lost)")
    close(listener)
}
