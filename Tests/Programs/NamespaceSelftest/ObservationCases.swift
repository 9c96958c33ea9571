import Fabric
import Foundation
import Glibc
import LinuxKernel
import NetAddress
import Netlink

let observationCases: [(name: String, run: @Sendable () async throws -> Void)] = [
    ("fabric-capture-sides", aBlockedPacketIsSeenOnTheSendersTapOnly),
    ("fabric-flow-log", theFlowLogHasAcceptsAndRejects),
    ("fabric-flow-log-full", theLostEndOfAFlowLogIsSaid),
    ("fabric-capture-files", whatIsOnDiskIsReadableAtAnyMoment),
    ("fabric-capture-ring", theRingOnDiskIsBounded),
    ("fabric-link-flap", capturesOutliveALinkThatWasDown),
    ("fabric-detach", anInterfaceComesAndGoes),
    ("fabric-load", captureAtLoad),
]

@Sendable private func aBlockedPacketIsSeenOnTheSendersTapOnly() async throws {
    let vpc = try await TestVPC(nodes: 2)
    let (one, two) = (vpc.nodes[0], vpc.nodes[1])
    let tunnel = try two.server(SOCK_DGRAM, port: 8472)
    let inner = vxlan(vni: 4711, from: IPv4Address(192, 168, 1, 5), to: IPv4Address(192, 168, 2, 7))
    let start = MonotonicTime.now
    try one.sendUDP(to: two.address, port: 8472, from: 45_000, payload: inner)
    try expect(try receives(tunnel, within: patience), "open")
    let open = await vpc.fabric.sightings(since: start, matching: FlowFilter(vni: 4711))
    try expect(open.isComplete, "complete")
    try expectEqual(open.sightings.map(\.node), ["node1", "node2"])
    try expectEqual(open.sightings.map(\.direction), [.fromNode, .toNode])
    let seen = try require(open.sightings.first)
    try expectEqual(seen.outer?.source, one.address)
    try expectEqual(seen.outer?.destinationPort, 8472)
    try expectEqual(seen.inner?.destination, IPv4Address(192, 168, 2, 7))
    try expectEqual(seen.inner?.icmp, ICMPHeader(type: 8, code: 0, identifier: 77, sequence: 3))
    try expect(seen.time > start && seen.time < MonotonicTime.now, "on the caller's clock")

    try await vpc.fabric.removeRule(group: "sg-nodes", rule: "vxlan", nodes: .only(["node2"]))
    let blocked = MonotonicTime.now
    try one.sendUDP(to: two.address, port: 8472, from: 45_000, payload: inner)
    try await eventually("denied", { try await vpc.denied(two) }, { $0 == 1 })
    let page = await vpc.fabric.sightings(since: blocked, matching: FlowFilter(vni: 4711))
    try expectEqual(page.sightings.map(\.node), ["node1"])
    let records = await vpc.fabric.flowRecords(since: blocked).records.filter { $0.destinationPort == 8472 }
    try expectEqual(records.map(\.action), [.accept, .reject])
    try expectEqual(records.map(\.node), ["node1", "node2"])
    try expectEqual(records.map(\.packets), [1, 1])
    try expectEqual(records.first?.bytes, UInt64(28 + inner.count))
}

@Sendable private func theFlowLogHasAcceptsAndRejects() async throws {
    let directory = try temporaryDirectory()
    let vpc = try await TestVPC(nodes: 2, output: directory)
    let (one, two) = (vpc.nodes[0], vpc.nodes[1])
    _ = try two.server(SOCK_STREAM, port: 8080)
    try expect(try one.connect(to: two.address, port: 8080, within: patience) != nil, "allowed")
    try one.sendUDP(to: two.address, port: 53, from: 40_001, payload: [1], count: 5)
    try await eventually("denied", { try await vpc.denied(two) }, { $0 == 5 })
    // A packet that the capture saw leave and that the egress rules then stopped is not an ACCEPT.
    try await vpc.fabric.removeRule(group: "sg-nodes", rule: "all-egress", nodes: .only(["node1"]))
    try one.sendUDP(to: two.address, port: 54, from: 40_002, payload: [1], count: 3)
    try await eventually("denied egress", { try await vpc.denied(one, .egress) }, { $0 == 3 })
    let records = await vpc.fabric.flowRecords().records
    func summary(_ port: UInt16) -> [String] {
        records.filter { $0.destinationPort == port }.map { "\($0.node) \($0.action.rawValue) \($0.packets)" }.sorted()
    }
    try expectEqual(summary(53), ["node1 ACCEPT 5", "node2 REJECT 5"])
    try expectEqual(summary(54), ["node1 REJECT 3"])
    try expectEqual(Set(records.filter { $0.destinationPort == 8080 }.map(\.action)), [.accept])
    try expectEqual(try await vpc.fabric.counters().lostRejects, 0)
    let start = MonotonicTime.now
    try await vpc.fabric.stop()
    let took = MonotonicTime.now.since(start)
    print("stop: \(took.seconds * 1000) ms")
    try expect(took < .milliseconds(100), "stop is fast: \(took)")
    let lines = try String(contentsOfFile: "\(directory)/vpc-flow.log", encoding: .utf8).split(separator: "\n")
    try expectEqual(lines.first.map(String.init), FlowRecord.header)
    let rejected = lines.filter { $0.contains(" 10.0.0.11 10.0.0.12 40001 53 17 5 145 ") && $0.hasSuffix(" REJECT OK") }
    try expectEqual(rejected.count, 1)
    try expect(rejected[0].hasPrefix("2 123456789012 eni-00000000000000002 "), "\(rejected)")
    try expect(lines.dropFirst().allSatisfy { $0.split(separator: " ").count == 14 }, "14 fields")
}

/// The last minute is written as the fabric stops, so its loss is known only then.
@Sendable private func theLostEndOfAFlowLogIsSaid() async throws {
    let vpc = try await TestVPC(nodes: 2, output: try temporaryDirectory())
    try vpc.nodes[0].sendUDP(to: vpc.nodes[1].address, port: 8472, from: 45_000, payload: [1])
    let records = await vpc.fabric.flowRecords().records
    try expect(records.contains { $0.destinationPort == 8472 }, "the packet is logged")
    // From here on no file grows. The kernel answers EFBIG, as a full disk would ENOSPC.
    signal(SIGXFSZ, SIG_IGN)
    var limit = rlimit(rlim_cur: 1, rlim_max: 1)
    try check("setrlimit") { setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) }
    try await vpc.fabric.stop()
    let failures = await vpc.fabric.observationFailures().filter { $0.hasPrefix("flow log: ") }
    try expectEqual(failures.count, 1)
}

@Sendable private func whatIsOnDiskIsReadableAtAnyMoment() async throws {
    let directory = try temporaryDirectory()
    let vpc = try await TestVPC(nodes: 2, output: directory)
    try vpc.nodes[0].sendUDP(to: vpc.nodes[1].address, port: 8472, from: 45_000, payload: [1], count: 3)
    let page = await vpc.fabric.sightings(matching: FlowFilter(outerDestinationPort: 8472))
    try expectEqual(page.sightings.count, 6)
    // The fabric is not stopped, so this is what a killed process leaves behind.
    let blocks = try pcapngBlocks(try bytes(ofFile: "\(directory)/tap1.pcapng"))
    try expectEqual(blocks.prefix(2).map(\.type), [0x0A0D_0D0A, 1])
    try expect(blocks.filter { $0.type == 6 }.count >= 3, "packets")
    if FileManager.default.isExecutableFile(atPath: "/usr/bin/tcpdump") {
        let text = try output(of: "/usr/bin/tcpdump", ["-nr", "\(directory)/tap1.pcapng", "udp port 8472"])
        try expectEqual(text.split(separator: "\n").filter { $0.contains("10.0.0.11.45000 > 10.0.0.12.8472") }.count, 3)
    }
}

@Sendable private func theRingOnDiskIsBounded() async throws {
    let directory = try temporaryDirectory()
    let capture = CaptureSpec(ringSize: 64 << 10, indexCapacity: 100)
    let vpc = try await TestVPC(nodes: 2, output: directory, capture: capture)
    for _ in 0..<20 {
        try vpc.nodes[0].sendUDP(to: vpc.nodes[1].address, port: 8472, from: 45_000, payload: [1], count: 100)
        _ = await vpc.fabric.sightings(since: .now)
    }
    let page = await vpc.fabric.sightings(matching: FlowFilter(node: "node2"))
    try expect(page.sightings.count == 100 && !page.isComplete, "the memory is bounded and says so")
    let files = ["tap1.pcapng", "tap1.previous.pcapng"].map { "\(directory)/\($0)" }
    for file in files {
        let content = try bytes(ofFile: file)
        try expect(content.count > 1000 && content.count <= 32 << 10, "\(file): \(content.count)")
        try expect(try pcapngBlocks(content).contains { $0.type == 6 }, file)
    }
}

@Sendable private func capturesOutliveALinkThatWasDown() async throws {
    let vpc = try await TestVPC(nodes: 2)
    let (one, two) = (vpc.nodes[0], vpc.nodes[1])
    let tunnel = try two.server(SOCK_DGRAM, port: 8472)
    try one.sendUDP(to: two.address, port: 8472, from: 45_000, payload: [1])
    try expect(try receives(tunnel, within: patience), "open")
    let before = try await vpc.fabric.snapshot()
    try await vpc.fabric.setLink(two.nic.interfaceID, up: false)
    try expectEqual(before.differences(to: try await vpc.fabric.snapshot()), ["interface tap2 changed"])
    try one.sendUDP(to: two.address, port: 8472, from: 45_000, payload: [1])
    try expect(!(try receives(tunnel, within: briefly)), "down")
    try await vpc.fabric.setLink(two.nic.interfaceID, up: true)
    try expectEqual(before, try await vpc.fabric.snapshot())
    // The capture comes back within its retry, 50 ms.
    try await eventually(
        "seen again",
        {
            let start = MonotonicTime.now
            try one.sendUDP(to: two.address, port: 8472, from: 45_000, payload: [1])
            _ = try receives(tunnel, within: briefly)
            return await vpc.fabric.sightings(since: start, matching: FlowFilter(node: "node2")).sightings.count
        }, { $0 > 0 })
}

@Sendable private func anInterfaceComesAndGoes() async throws {
    let vpc = try await TestVPC(nodes: 1)
    let before = try await vpc.fabric.snapshot()
    let three = try TestNode(3)
    try await vpc.fabric.attachNIC(three.nic)
    try vpc.nodes[0].sendUDP(to: three.address, port: 53, from: 45_000, payload: [1])
    try await eventually("denied", { try await vpc.denied(three) }, { $0 == 1 })
    try await vpc.fabric.detachNIC(three.nic.interfaceID)
    try expectEqual(before.differences(to: try await vpc.fabric.snapshot()), [])
    let rejects = await vpc.fabric.flowRecords().records.filter { $0.action == .reject }
    try expectEqual(rejects.map(\.node), ["node3"])
    try expectEqual(try await vpc.fabric.counters().lostRejects, 0)
    let again = try TestNode(3)
    try await vpc.fabric.attachNIC(again.nic)
    try await vpc.fabric.stop(removing: true)
}

@Sendable private func captureAtLoad() async throws {
    let directory = try temporaryDirectory()
    let vpc = try await TestVPC(nodes: 2, output: directory)
    let (one, two) = (vpc.nodes[0], vpc.nodes[1])
    let payload = [UInt8](repeating: 7, count: 100)
    func load(_ what: String, _ send: () async throws -> Int) async throws -> UInt64 {
        let before = try await vpc.fabric.counters().captures
        let start = MonotonicTime.now
        let count = try await send()
        let sent = MonotonicTime.now.since(start).seconds
        let after = try await vpc.fabric.counters().captures
        let caughtUp = MonotonicTime.now.since(start).seconds
        func difference(_ value: (CaptureStatistics) -> UInt64) -> UInt64 {
            after.map(value).reduce(0, +) - before.map(value).reduce(0, +)
        }
        let (captured, dropped) = (difference(\.captured), difference(\.dropped))
        print(
            "\(what): \(Int(Double(2 * count) / sent)) packets/s on two taps, \(captured) captured, \(dropped) dropped,"
                + " sent in \(sent) s, caught up after \(caughtUp) s")
        try expect(captured + dropped >= UInt64(2 * count), "every packet was captured or counted as lost")
        return dropped
    }
    // A batch fits into the rings of the two taps. The next one follows when the captures have taken it.
    let dropped = try await load("in batches") {
        for _ in 1...40 {
            try one.sendUDP(to: two.address, port: 8472, from: 45_000, payload: payload, count: 500)
            _ = try await vpc.fabric.counters()
        }
        return 20_000
    }
    try expectEqual(dropped, 0)
    _ = try await load("as fast as it goes") {
        try one.sendUDP(to: two.address, port: 8472, from: 45_000, payload: payload, count: 100_000)
        return 100_000
    }
    try expect(!(await vpc.fabric.sightings().isComplete), "more than the memory holds")
}

/// A VXLAN payload around an ICMP echo request.
private func vxlan(vni: UInt32, from source: IPv4Address, to destination: IPv4Address) -> [UInt8] {
    let header: [UInt8] = [8, 0, 0, 0] + [UInt8(vni >> 16 & 0xFF), UInt8(vni >> 8 & 0xFF), UInt8(vni & 0xFF), 0]
    let ethernet: [UInt8] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0]
    let icmp: [UInt8] = [8, 0, 0, 0, 0, 77, 0, 3]
    let ip: [UInt8] = [0x45, 0, 0, 28, 0, 0, 0, 0, 64, 1, 0, 0] + source.octets + destination.octets
    return header + ethernet + ip + icmp
}

private func pcapngBlocks(_ bytes: [UInt8]) throws -> [(type: UInt32, length: Int)] {
    func word(_ offset: Int) -> UInt32 {
        (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << UInt32(8 * $1) }
    }
    var blocks: [(UInt32, Int)] = []
    var offset = 0
    while offset < bytes.count {
        try expect(offset + 12 <= bytes.count, "block header at \(offset)")
        let length = Int(word(offset + 4))
        try expect(length % 4 == 0 && offset + length <= bytes.count, "block length \(length) at \(offset)")
        try expectEqual(word(offset + length - 4), UInt32(length))
        blocks.append((word(offset), length))
        offset += length
    }
    return blocks
}

private func bytes(ofFile path: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(filePath: path)))
}

/// The file system is in the case's own mount namespace and goes with it.
private func temporaryDirectory() throws -> String {
    try check("mount", "/mnt") { mount("tmpfs", "/mnt", "tmpfs", 0, nil) }
    return "/mnt"
}

private func output(of path: String, _ arguments: [String]) throws -> String {
    let process = Process()
    process.executableURL = URL(filePath: path)
    process.arguments = arguments
    let pipe = Foundation.Pipe()
    process.standardOutput = pipe
    try process.run()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return String(decoding: data, as: UTF8.self)
}
