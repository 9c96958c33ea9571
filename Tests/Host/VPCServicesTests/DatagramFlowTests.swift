import NetAddress
import Testing

@testable import VPCServices

/// Which datagrams go to which target.
@Suite struct DatagramFlowTests {
    private let targets = [
        ForwardTarget(address: IPv4Address(10, 0, 0, 11), port: 30053),
        ForwardTarget(address: IPv4Address(10, 0, 0, 12), port: 30053),
    ]

    private func client(_ port: UInt16) -> DatagramFlows<Int>.Client { .init(address: 1, port: port, local: 2) }

    @Test func `a client stays with its target, and clients take turns`() throws {
        var flows = DatagramFlows<Int>()
        let first = try #require(flows.flow(of: client(1), targets: targets, now: 0) { 1 })
        let second = try #require(flows.flow(of: client(2), targets: targets, now: 0) { 2 })
        #expect(first.target != second.target)
        for now in 1..<5 {
            let again = flows.flow(of: client(1), targets: targets, now: Int64(now)) {
                Issue.record("a second socket")
                return nil
            }
            #expect(again?.target == first.target && again?.socket == 1)
        }
    }

    @Test func `a target that is no healthy one any more loses its clients`() throws {
        var flows = DatagramFlows<Int>()
        let first = try #require(flows.flow(of: client(1), targets: targets, now: 0) { 1 })
        let rest = targets.filter { $0 != first.target }
        let moved = try #require(flows.flow(of: client(1), targets: rest, now: 1) { 9 })
        #expect(moved.target == rest[0] && moved.socket == 1)
        #expect(flows.flow(of: client(1), targets: [], now: 2) { 9 } == nil)
        #expect(flows.flow(of: client(2), targets: [], now: 2) { 9 } == nil)
        #expect(flows.flows.count == 1)
    }

    @Test func `a flow without datagrams is forgotten`() {
        var flows = DatagramFlows<Int>()
        let patience = DatagramFlows<Int>.patience
        _ = flows.flow(of: client(1), targets: targets, now: 0) { 1 }
        _ = flows.flow(of: client(2), targets: targets, now: 0) { 2 }
        flows.answered(client(2), now: 10)
        #expect(flows.expire(now: patience - 1) == [])
        #expect(flows.expire(now: patience) == [1])
        #expect(flows.expire(now: patience + 10) == [2])
        #expect(flows.flows.isEmpty)
    }

    @Test func `flows are bounded`() {
        var flows = DatagramFlows<Int>()
        for port in 0..<UInt16(2 * DatagramFlows<Int>.mostFlows) {
            let flow = flows.flow(of: client(port), targets: targets, now: 0) { Int(port) }
            #expect((flow != nil) == (Int(port) < DatagramFlows<Int>.mostFlows))
        }
        #expect(flows.flow(of: client(60_000), targets: targets, now: 0) { nil } == nil)
    }
}
