import Foundation
import NetAddress
import Testing

@testable import Fabric

@Suite struct FlowLogTests {
    private static func header(_ port: UInt16, length: Int = 100) -> FlowHeader {
        FlowHeader(
            source: IPv4Address(10, 0, 0, 11), destination: IPv4Address(10, 0, 0, 12), protocol: 17,
            sourcePort: 45_000, destinationPort: port, length: length)
    }

    @Test func aRecordIsPrintedAsAWSDoes() {
        let record = FlowRecord(
            accountID: "123456789010", interfaceID: "eni-1235b8ca123456789", node: "node1", direction: .toNode,
            source: IPv4Address(172, 31, 16, 139), destination: IPv4Address(172, 31, 16, 21), sourcePort: 20641,
            destinationPort: 22, protocol: 6, packets: 20, bytes: 4249, start: 1_418_530_010, end: 1_418_530_070,
            action: .accept)
        // The example of "Flow log record examples", Amazon VPC User Guide.
        #expect(
            record.line
                == "2 123456789010 eni-1235b8ca123456789 172.31.16.139 172.31.16.21 20641 22 6 20 4249 "
                + "1418530010 1418530070 ACCEPT OK")
        #expect(FlowRecord.header.split(separator: " ").count == record.line.split(separator: " ").count)
    }

    @Test func packetsOfAFlowAddUp() {
        var aggregate = FlowAggregate()
        for second in [5, 3, 9] as [Int64] {
            aggregate.add(
                Self.header(8472), interfaceID: "eni-1", direction: .toNode, action: .accept, at: second * 1_000_000_000
            )
        }
        let records = aggregate.records(accountID: "1", nodes: ["eni-1": "node1"])
        #expect(records.count == 1)
        #expect(records.first?.packets == 3 && records.first?.bytes == 300)
        #expect(records.first?.start == 3 && records.first?.end == 9 && records.first?.node == "node1")
    }

    @Test func whatEgressRulesRefusedWasNotAccepted() {
        var aggregate = FlowAggregate()
        for _ in 0..<5 {
            aggregate.add(Self.header(1), interfaceID: "eni-1", direction: .fromNode, action: .accept, at: 0)
        }
        for _ in 0..<2 {
            aggregate.add(Self.header(1), interfaceID: "eni-1", direction: .fromNode, action: .reject, at: 0)
        }
        // Ingress is rejected before the tap, so both packets are counted.
        aggregate.add(Self.header(2), interfaceID: "eni-2", direction: .toNode, action: .accept, at: 0)
        aggregate.add(Self.header(2), interfaceID: "eni-2", direction: .toNode, action: .reject, at: 0)
        let records = aggregate.records(accountID: "1", nodes: [:])
        let text = Set(records.map { "\($0.interfaceID) \($0.action.rawValue) \($0.packets)" })
        #expect(text == ["eni-1 ACCEPT 3", "eni-1 REJECT 2", "eni-2 ACCEPT 1", "eni-2 REJECT 1"])
    }

    @Test func flowsBeyondTheCapacityAreCounted() {
        var aggregate = FlowAggregate(capacity: 2)
        for port in [1, 2, 3, 1] as [UInt16] {
            aggregate.add(Self.header(port), interfaceID: "eni-1", direction: .toNode, action: .accept, at: 0)
        }
        #expect(aggregate.skipped == 1)
        #expect(aggregate.records(accountID: "1", nodes: [:]).map(\.packets).sorted() == [1, 2])
    }

    @Test func theFileHasAMinuteARecordAndSaysNoData() throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "flow-\(UUID().uuidString).log").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        var file = try FlowLogFile(path: path, accountID: "123456789012")
        let nodes = ["eni-1": "node1", "eni-2": "node2"]
        let minute: Int64 = 60_000_000_000
        try file.roll(now: minute, nodes: nodes)
        file.add(Self.header(8472), interfaceID: "eni-1", direction: .fromNode, action: .accept, at: minute + 1)
        try file.roll(now: minute * 2, nodes: nodes)
        file.add(Self.header(8472), interfaceID: "eni-2", direction: .toNode, action: .reject, at: minute * 2)
        try file.finish(nodes: nodes)
        let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map(String.init)
        #expect(
            lines == [
                FlowRecord.header,
                "2 123456789012 eni-1 10.0.0.11 10.0.0.12 45000 8472 17 1 100 60 60 ACCEPT OK",
                "2 123456789012 eni-2 - - - - - - - 60 119 - NODATA",
                "2 123456789012 eni-2 10.0.0.11 10.0.0.12 45000 8472 17 1 100 120 120 REJECT OK",
                "2 123456789012 eni-1 - - - - - - - 120 179 - NODATA",
            ])
    }

    @Test func anEntryOfTheNetfilterLogIsRead() throws {
        let packet = PacketBytes.ipv4(PacketBytes.udp([1], to: 8472), protocol: 17)
        func attribute(_ type: UInt8, _ value: [UInt8]) -> [UInt8] {
            let padding = [UInt8](repeating: 0, count: (4 - value.count % 4) % 4)
            return [UInt8(value.count + 4), 0, type, 0] + value + padding
        }
        let bytes: [UInt8] =
            [2, 0, 0, 100] + attribute(2, [1, 0, 0, 0]) + attribute(10, Array("eni-2 ingress\0".utf8))
            + attribute(9, packet)
        let entry = try #require(bytes.withUnsafeBytes { NetfilterLogEntry($0) })
        #expect(entry.interfaceID == "eni-2" && entry.direction == .ingress)
        #expect(entry.packet.outer?.destinationPort == 8472)
        let foreign: [UInt8] = [2, 0, 0, 100] + attribute(10, Array("other\0".utf8)) + attribute(9, packet)
        #expect(foreign.withUnsafeBytes { NetfilterLogEntry($0) } == nil)
    }
}
