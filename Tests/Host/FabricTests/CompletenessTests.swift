import LinuxKernel
import NetAddress
import Testing

@testable import Fabric

/// The absence of a packet proves something only if nothing can have been missed.
@Suite struct CompletenessTests {
    private static let nic = NICSpec(
        interfaceID: "eni-1", node: "node1", tap: "tap1", mac: MACAddress(rawValue: 0x0200_0000_0001),
        address: IPv4Address(10, 0, 0, 11), subnet: "nodes", groups: [])

    private static func traffic() -> ObservedTraffic {
        var traffic = ObservedTraffic(FabricSpec(subnets: [], securityGroups: []))
        traffic.attach(nic)
        return traffic
    }

    private static func reject(_ time: Int64) -> Seen {
        Seen(time: time, wallTime: time, direction: .toNode, packet: DecodedPacket(), length: 60)
    }

    private func isComplete(_ traffic: ObservedTraffic, since time: Int64) -> (wire: Bool, log: Bool) {
        let mark = MonotonicTime(nanoseconds: time)
        return (
            traffic.sightings(since: mark, matching: FlowFilter()).isComplete,
            traffic.flowRecords(since: mark).isComplete
        )
    }

    @Test(
        arguments: [
            (openings: [], missed: false),
            (openings: [.interfaceDown, .interfaceDown], missed: false),
            (openings: [.opened], missed: true),
            // The interface came up between two attempts.
            (openings: [.interfaceDown, .opened], missed: true),
            (openings: [.failed("No buffer space available")], missed: true),
            (openings: [.failed("tap1: No such device exists"), .interfaceDown], missed: true),
        ] as [(openings: [CaptureContinuity.Opening], missed: Bool)])
    func onlyAnInterfaceThatIsDownPassesNothing(openings: [CaptureContinuity.Opening], missed: Bool) {
        var continuity = CaptureContinuity()
        func takeMissed() -> Bool { continuity.takeMissed() }
        for opening in openings { continuity.tried(opening) }
        #expect(takeMissed() == missed)
        #expect(!takeMissed())
    }

    @Test func aCaptureThatCannotBeOpenedStaysIncomplete() {
        var continuity = CaptureContinuity()
        func takeMissed() -> Bool { continuity.takeMissed() }
        for _ in 0..<3 {
            continuity.tried(.failed("No buffer space available"))
            #expect(takeMissed())
        }
    }

    @Test func dropsCountOnceAndOverAllHandles() {
        var continuity = CaptureContinuity()
        func takeMissed() -> Bool { continuity.takeMissed() }
        continuity.counted(dropped: 0)
        #expect(!takeMissed())
        continuity.counted(dropped: 3)
        #expect(takeMissed())
        continuity.counted(dropped: 3)
        #expect(!takeMissed())
        // A loss that is found only when the handle is closed counts as well.
        continuity.counted(dropped: 4)
        continuity.closed()
        #expect(takeMissed())
        continuity.counted(dropped: 2)
        #expect(continuity.dropped == 6 && takeMissed())
    }

    @Test func aTapThatCannotBeOpenedSaysWhy() {
        let error = #expect(throws: FabricError.self) {
            _ = try PcapHandle(device: "absent0", snapLength: 128, bufferSize: 4096)
        }
        #expect(error?.isInterfaceDown == false)
        #expect(error?.message.hasPrefix("capture of absent0: ") == true)
    }

    @Test func missedPacketsMakeWireAndLogIncompleteUntilThen() {
        var traffic = Self.traffic()
        let statistics = CaptureStatistics(
            interfaceID: "eni-1", tap: "tap1", captured: 0, dropped: 0, unwritten: 0)
        traffic.update(statistics, lostAt: nil)
        #expect(isComplete(traffic, since: 5) == (true, true))
        traffic.update(statistics, lostAt: 10)
        traffic.update(statistics, lostAt: nil)
        #expect(isComplete(traffic, since: 10) == (false, false))
        #expect(isComplete(traffic, since: 11) == (true, true))
    }

    @Test func aFailingLogMakesTheRecordsIncompleteAndNotTheWire() {
        var traffic = Self.traffic()
        traffic.lostLog(at: 10)
        #expect(isComplete(traffic, since: 10) == (true, false))
        #expect(isComplete(traffic, since: 11) == (true, true))
        traffic.lostLog(at: 20)
        #expect(isComplete(traffic, since: 11) == (true, false))
    }

    @Test func aDeniedPacketWithoutARecordMakesTheRecordsIncomplete() {
        var traffic = Self.traffic()
        func compare(denied: UInt64, at now: Int64) -> UInt64 { traffic.compareRejects(denied: denied, at: now) }
        traffic.reject(Self.reject(1), interfaceID: "eni-1")
        #expect(compare(denied: 1, at: 5) == 0)
        #expect(isComplete(traffic, since: 0) == (true, true))
        #expect(compare(denied: 3, at: 10) == 2)
        #expect(isComplete(traffic, since: 10) == (true, false))
        // The same two records are not counted as lost again.
        traffic.reject(Self.reject(12), interfaceID: "eni-1")
        #expect(compare(denied: 4, at: 20) == 2)
        #expect(isComplete(traffic, since: 11) == (true, true))
        #expect(compare(denied: 5, at: 30) == 3)
        #expect(isComplete(traffic, since: 30) == (true, false))
    }

    @Test func aLateRecordDoesNotHideALaterLoss() {
        var traffic = Self.traffic()
        func compare(denied: UInt64, at now: Int64) -> UInt64 { traffic.compareRejects(denied: denied, at: now) }
        #expect(compare(denied: 1, at: 10) == 1)
        traffic.reject(Self.reject(9), interfaceID: "eni-1")
        #expect(compare(denied: 1, at: 20) == 0)
        #expect(compare(denied: 2, at: 30) == 1)
        #expect(isComplete(traffic, since: 25) == (true, false))
    }

    @Test func aFailureIsToldOnce() {
        var traffic = Self.traffic()
        for message in ["flow log: full", "netfilter log: gone", "flow log: full"] { traffic.fail(message) }
        #expect(traffic.failures == ["flow log: full", "netfilter log: gone"])
    }
}
