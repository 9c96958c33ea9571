import AgentAPI
import Foundation
import Hashing
import LinuxKernel
import Testing

@testable import Datapath

@Suite struct ServerTests {
    @Test func linesAreCutWhereTheyEnd() {
        var buffer = LineBuffer(limit: 5)
        let pieces = ["ab", "c\n\nde\nf", "12345678", "90\nok\n", "12345\n"]
        let items = pieces.map { buffer.take(Array($0.utf8)) }
        func line(_ text: String) -> LineBuffer.Item { .line(Array(text.utf8)) }
        #expect(items == [[], [line("abc"), line("de")], [.tooLong], [line("ok")], [line("12345")]])
    }

    @Test func anyCutGivesTheSameLines() {
        var generator = SplitMix64(seed: 3)
        let bytes = Array("one\ntwo\n\nthree3three3\nfour\n".utf8)
        for _ in 0..<500 {
            var buffer = LineBuffer(limit: 8)
            var items: [LineBuffer.Item] = []
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = Int.random(in: 1...rest.count, using: &generator)
                items += buffer.take(rest.prefix(count))
                rest = rest.dropFirst(count)
            }
            #expect(items == [.line(Array("one".utf8)), .line(Array("two".utf8)), .tooLong, .line(Array("four".utf8))])
        }
    }

    @Test func aServerAnswersLinesAndSurvivesHostileOnes() throws {
        let path = "/tmp/labrun-server-\(UUID().uuidString.prefix(8)).sock"
        defer { unlink(path) }
        let server = AgentServer { line in Array("got \(line.count)".utf8) }
        try server.start(path: path)
        var client = try AgentClient(socketPath: path)
        let deadline = Deadline.after(.seconds(20))
        func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
        let plain = try client.exchange(Array("hello".utf8), deadline: deadline)
        #expect(text(plain) == "got 5")
        let huge = [UInt8](repeating: 0x41, count: AgentServer.lineLimit + 1)
        let refusal = try client.exchange(huge, deadline: deadline)
        #expect(text(refusal).contains("line-too-long"))
        let binary = try client.exchange([0, 1, 255], deadline: deadline)
        #expect(text(binary) == "got 3")
        // A second server takes the path over; the first connection goes on.
        try AgentServer { _ in Array("second".utf8) }.start(path: path)
        var other = try AgentClient(socketPath: path)
        let second = try other.exchange(Array("x".utf8), deadline: deadline)
        #expect(text(second) == "second")
        let again = try client.exchange(Array("x".utf8), deadline: deadline)
        #expect(text(again) == "got 1")
    }

    @Test func theRingKeepsTheNewestAndCountsWhatNobodyRead() {
        let ring = EventRing<Int>(capacity: 4)
        for number in 1...3 { ring.append(number) }
        let first = ring.events(since: 0, limit: 2) { _ in true }
        #expect(first.events.map(\.event) == [1, 2] && first.next == 2 && first.lost == 0)
        for number in 4...8 { ring.append(number) }
        let second = ring.events(since: first.next, limit: 10) { $0 != 6 }
        #expect(second.events.map(\.event) == [5, 7, 8])
        #expect(second.events.map(\.sequence) == [5, 7, 8])
        // 3 and 4 were overwritten unread.
        #expect(second.next == 8 && second.lost == 2)
        #expect(ring.events(since: 8, limit: 10) { _ in true }.events.isEmpty)
        #expect(ring.events(since: .max, limit: 0) { _ in true }.next == 8)
    }

    @Test func aReaderIsWokenByTheNextEvent() {
        let ring = EventRing<Int>(capacity: 4)
        startThread("writer") {
            ring.append(1)
            ring.announce()
        }
        ring.wait(after: 0, until: .after(.seconds(10)))
        #expect(ring.events(since: 0, limit: 1) { _ in true }.events.count == 1)
        ring.wait(after: 1, until: .after(.milliseconds(5)))
    }
}

@Suite struct StateTests {
    private let directory = NSTemporaryDirectory() + "labrun-state-\(UUID().uuidString)"

    @Test func stateReadsBackAndAHalfWrittenFileIsNotSeen() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let store = try StateStore(directory: directory)
        let record = EndpointRecord(
            id: 3, containerID: "c", interface: "eth0", netns: "/n", namespace: "ns", name: "p", labels: ["a": "b"],
            identity: 256, address: "192.168.1.3", hostInterface: "lxc", ifindex: 4, mac: "m", hostMAC: "h",
            phase: .creating)
        try store.save(record)
        try Data("{".utf8).write(to: URL(fileURLWithPath: directory + "/endpoints/9.json.new"))
        #expect(try store.loadEndpoints() == [record])
        try store.remove(record)
        try store.remove(record)
        #expect(try store.loadEndpoints().isEmpty)
        #expect(try store.countStart() == 1)
        #expect(try StateStore(directory: directory).countStart() == 2)
        #expect(try store.overlayPort() == nil)
        try store.save(overlayPort: 8472)
        #expect(try store.overlayPort() == 8472)
    }

    @Test func aBrokenFileIsNamed() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let store = try StateStore(directory: directory)
        try Data("{".utf8).write(to: URL(fileURLWithPath: directory + "/cluster.json"))
        let error = #expect(throws: DatapathError.self) { try store.loadCluster() }
        #expect("\(error as Any)".contains("cluster.json"))
    }

    @Test func theConflistComesAndGoesWithReadiness() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        var config = AgentConfig(
            nodeName: "n", nodeAddress: "10.0.0.11", podCIDR: "192.168.1.0/24", clusterPodCIDRs: ["192.168.0.0/16"])
        config.conflistPath = directory + "/net.d/05-labrun.conflist"
        let text = try Conflist.text(config)
        try Agent.publish(text, config)
        let before = try FileManager.default.attributesOfItem(atPath: config.conflistPath)[.systemFileNumber] as? Int
        try Agent.publish(text, config)
        let after = try FileManager.default.attributesOfItem(atPath: config.conflistPath)[.systemFileNumber] as? Int
        #expect(before == after)
        try Agent.publish(nil, config)
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory + "/net.d").isEmpty)
        try Agent.publish(nil, config)
    }

    @Test(
        arguments: [
            { (config: inout AgentConfig) in config.nodeAddress = "x" }, { $0.podCIDR = "192.168.1.0" },
            { $0.podCIDR = "172.16.0.0/24" }, { $0.nodeAddress = "192.168.9.9" }, { $0.device = "a/b" },
            { $0.options.MTU = 100 }, { $0.clusterPodCIDRs = [] }, { $0.clusterPodCIDRs.append("10.0.0.0/16") },
            { $0.clusterPodCIDRs = Array(repeating: "192.168.0.0/16", count: 5) },
            { $0.values["routingMode"] = "bridge" }, { $0.values["tunnelProtocol"] = "gre" },
            { $0.options.autoDirectNodeRoutes = true }, { $0.values["ipv4NativeRoutingCIDR"] = "10" },
            // Direct server return beside the kernel's own masquerade.
            { $0.options.loadBalancer.mode = .hybrid },
            { config in
                config.options.loadBalancer.mode = .dsr
                config.options.routingMode = .native
            },
        ] as [@Sendable (inout AgentConfig) -> Void])
    func aConfigurationThatCannotWorkIsRefused(_ change: @Sendable (inout AgentConfig) -> Void) throws {
        var config = AgentConfig(
            nodeName: "n", nodeAddress: "10.0.0.11", podCIDR: "192.168.1.0/24", clusterPodCIDRs: ["192.168.0.0/16"],
            values: ["routingMode": "tunnel"])
        _ = try AgentSettings(config)
        change(&config)
        #expect(throws: DatapathError.self) { try AgentSettings(config) }
    }
}

@Suite struct ICMPEchoTests {
    /// The reply that a kernel would give, with an IPv4 header of 20 octets from 10.0.0.12.
    private func reply(to request: [UInt8]) -> [UInt8] {
        var header = [UInt8](repeating: 0, count: 20)
        header[0] = 0x45
        header[9] = 1
        header.replaceSubrange(12..<16, with: [10, 0, 0, 12])
        var message = request
        message[0] = 0
        return header + message
    }

    @Test func aReplyBelongsToItsRequest() {
        let request = ICMPEcho.request(identifier: 0x1234, sequence: 7, nonce: 0xDEAD_BEEF_0102_0304, attempt: 2)
        #expect(ICMPEcho.checksum(request) == 0)
        #expect(
            ICMPEcho.reply(in: reply(to: request))
                == ICMPEcho.Reply(
                    source: 0x0A00_000C, identifier: 0x1234, sequence: 7, nonce: 0xDEAD_BEEF_0102_0304, attempt: 2))
    }

    @Test func theChecksumIsThatOfTheRFC() {
        #expect(ICMPEcho.checksum([0x00, 0x01, 0xF2, 0x03, 0xF4, 0xF5, 0xF6, 0xF7]) == 0x220D)
        #expect(ICMPEcho.checksum([0xFF]) == 0x00FF)
    }

    @Test func whatIsNoReplyIsPassedOver() {
        let request = ICMPEcho.request(identifier: 1, sequence: 1, nonce: 1, attempt: 0)
        let packet = reply(to: request)
        #expect(ICMPEcho.reply(in: []) == nil)
        for length in 0..<packet.count { #expect(ICMPEcho.reply(in: Array(packet.prefix(length))) == nil) }
        var generator = SplitMix64(seed: 5)
        for _ in 0..<5000 {
            var mutated = packet
            for _ in 0..<4 {
                mutated[Int.random(in: 0..<mutated.count, using: &generator)] = UInt8.random(
                    in: 0...255, using: &generator)
            }
            _ = ICMPEcho.reply(in: mutated)
        }
    }
}
