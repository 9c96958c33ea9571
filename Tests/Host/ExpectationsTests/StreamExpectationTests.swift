import Diagnosis
import Matrix
import Observations
import Readings
import RunEvents
import Testing

@testable import Expectations

@Suite struct StreamExpectationTests {
    private func stream(
        _ proto: ProbeProtocol = .tcp, established: Bool = true, gap: Int = 40, answered: Int = 98, silent: Int? = 10
    ) -> StreamObservation {
        StreamObservation(
            from: ObservationFixture.endpoints[0], to: ObservationFixture.endpoints[1], protocol: proto,
            established: established, sent: 100, answered: answered, longestGapMillis: gap, intervalMillis: 20,
            silentMillis: silent, ended: established ? nil : "reset")
    }
    private func state(
        _ streams: [StreamObservation], _ proto: ProbeProtocol = .tcp, survive: Bool = true, maxGap: Int? = 100
    ) -> ExpectationResult.State? {
        var observation = ObservationFixture().observation
        observation.streams = streams
        let expected = StreamExpectation(
            cells: CellSelection(
                from: EndpointSelector(kind: .pod), to: EndpointSelector(kind: .pod), where: .crossNode,
                protocols: [proto]), survive: survive, maxGapMillis: maxGap)
        return Judge.results([expected], observation).first?.state
    }

    @Test func `connections must live and gaps stay short`() {
        #expect(state([stream(established: true, gap: 40)]) == .met)
        #expect(state([stream(established: false, gap: 40)]) == .unmet)
        #expect(state([stream(established: true, gap: 400)]) == .unmet)
        #expect(state([]) == .inconclusive)
    }

    @Test(arguments: ProbeProtocol.allCases)
    func `a flow without answers does not survive, whatever its protocol`(_ proto: ProbeProtocol) {
        #expect(state([stream(proto)], proto, maxGap: nil) == .met)
        #expect(state([stream(proto), stream(proto, answered: 0)], proto, maxGap: nil) == .unmet)
        #expect(state([stream(proto, silent: 999)], proto, maxGap: nil) == .met)
        #expect(state([stream(proto, silent: 1000)], proto, maxGap: nil) == .unmet)
        #expect(state([stream(proto, established: false)], proto, survive: false, maxGap: nil) == .met)
    }

    @Test func `a flow that could not be read is never met`() {
        let unread = stream(established: false, gap: 0, answered: 0, silent: nil)
        #expect(state([stream(), unread]) == .unmet)
        #expect(state([stream(), unread], survive: false) == .inconclusive)
        #expect(state([stream(gap: 400), unread], survive: false) == .unmet)
    }

    @Test func `long intervals are given ten of them`() {
        var slow = stream(silent: 4999)
        slow.intervalMillis = 500
        #expect(slow.isLive)
        slow.silentMillis = 5000
        #expect(!slow.isLive)
        #expect(slow.silence == "has been silent for 5000 ms")
    }

    @Test func `a flow that died at once has a gap to the end of the step`() {
        let dead = stream(established: false, gap: 0, answered: 1, silent: 8000)
        #expect(state([stream(), dead], survive: false, maxGap: 1000) == .unmet)
        #expect(state([stream(), dead], survive: false, maxGap: 9000) == .met)
        let late = stream(established: false, gap: 0, answered: 90, silent: 900)
        #expect(state([stream(), late], survive: false, maxGap: 1000) == .met)
    }
}
