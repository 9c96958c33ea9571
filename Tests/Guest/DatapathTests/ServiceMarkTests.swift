import BPF
import Foundation
import NetAddress
import Testing

@testable import Datapath

@Suite struct ServiceMarkTests {
    private let mark = ServiceMark(
        plan: 7, program: .init(device: 1, inode: 2, size: 3, time: 4),
        files: (1...4).map { .init(device: 1, inode: $0, size: 100, time: .max) },
        maps: (1...4).map { .init(identifier: $0, content: MapDigest(sum: .max - UInt64($0), count: 5)) },
        services: 5000, endpointSlices: 5001, apiServers: [IPv4Address(10, 0, 0, 11), IPv4Address(10, 0, 0, 12)])

    @Test func whatIsWrittenIsRead() throws {
        #expect(try ServiceMark(mark.bytes) == mark)
        let path = NSTemporaryDirectory() + "service-mark-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect(throws: ServiceMark.Unreadable.missing) { try ServiceMark.load(path) }
        try mark.save(to: path)
        #expect(try ServiceMark.load(path) == mark)
    }

    @Test func aTornMarkIsNone() {
        for length in 0..<mark.bytes.count {
            #expect(throws: ServiceMark.Unreadable.damaged) { try ServiceMark(Array(mark.bytes.prefix(length))) }
        }
        #expect(throws: ServiceMark.Unreadable.damaged) { try ServiceMark(mark.bytes + [0]) }
    }

    @Test func everyOctetCounts() {
        for index in mark.bytes.indices {
            var bytes = mark.bytes
            bytes[index] ^= 0x10
            #expect(throws: ServiceMark.Unreadable.damaged) { try ServiceMark(bytes) }
        }
    }

    @Test func noiseIsRefused() {
        var generator = SeededGenerator(seed: 11)
        for _ in 0..<2000 {
            let count = Int.random(in: 0...600, using: &generator)
            let noise = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
            #expect(throws: ServiceMark.Unreadable.self) { try ServiceMark(noise) }
        }
    }

    /// The words of a mark, followed by their digest.
    private func sealed(_ change: (inout [UInt64]) -> Void) -> [UInt8] {
        var words = mark.bytes.withUnsafeBytes { Array($0.bindMemory(to: UInt64.self)) }
        words.removeLast()
        change(&words)
        words.append(ServiceMark.digest(words[...]))
        return words.withUnsafeBytes { Array($0) }
    }

    @Test func anotherVersionIsSaid() throws {
        #expect(try ServiceMark(sealed { _ in }) == mark)
        #expect(throws: ServiceMark.Unreadable.otherVersion) { try ServiceMark(sealed { $0[1] += 1 }) }
        #expect(throws: ServiceMark.Unreadable.damaged) { try ServiceMark(sealed { $0.removeLast() }) }
        #expect(throws: ServiceMark.Unreadable.damaged) { try ServiceMark(sealed { $0[$0.count - 3] = .max }) }
    }

    @Test func whatIsDifferentIsNamed() {
        #expect(mark.difference(from: mark) == nil)
        func difference(_ change: (inout ServiceMark) -> Void) -> String? {
            var now = mark
            change(&now)
            return mark.difference(from: now)
        }
        #expect(difference { $0.plan += 1 } == "configuration, addresses or nodes changed")
        #expect(difference { $0.program.time += 1 } == "another build")
        #expect(difference { $0.files[1].size += 1 } == "objects changed after the maps")
        #expect(difference { $0.files[3].inode += 1 } == "objects changed after the maps")
        #expect(difference { $0.maps[3].identifier += 1 } == "other maps")
        #expect(difference { $0.maps[0].content = MapDigest() } == "the maps' content changed")
    }

    @Test func aDigestFollowsChanges() {
        var digest = MapDigest()
        digest.insert(UInt32(1), UInt64(10))
        digest.insert(UInt32(2), UInt64(20))
        var other = MapDigest()
        other.insert(UInt32(2), UInt64(20))
        #expect(digest != other)
        other.insert(UInt32(1), UInt64(11))
        #expect(digest != other)
        other.remove(UInt32(1), UInt64(11))
        other.insert(UInt32(1), UInt64(10))
        #expect(digest == other)
        // The same two values, each under the other's key, give another digest.
        var crossed = MapDigest()
        crossed.insert(UInt32(1), UInt64(20))
        crossed.insert(UInt32(2), UInt64(10))
        #expect(digest != crossed)
    }

    @Test func equalPlansHaveOneDigest() {
        let plan = ServicePlan(nodeName: "node1", nodeAddresses: [IPv4Address(10, 0, 0, 11)])
        #expect(plan.digest == ServicePlan(nodeName: "node1", nodeAddresses: [IPv4Address(10, 0, 0, 11)]).digest)
        let other = ServicePlan(nodeName: "node2", nodeAddresses: plan.nodeAddresses)
        var digests: Set<UInt64> = [plan.digest, other.digest]
        func add(_ change: (inout ServicePlan) -> Void) {
            var other = plan
            change(&other)
            digests.insert(other.digest)
        }
        add { $0.ownAddresses = plan.nodeAddresses }
        add { $0.opensClusterAddresses = true }
        add { $0.kinds = [.clusterIP] }
        add { $0.maglevSize = 251 }
        add { $0.directProtocols = [6] }
        #expect(digests.count == 7)
    }
}
