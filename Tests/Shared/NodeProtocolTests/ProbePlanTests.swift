import NodeProtocol
import Testing

@Suite struct ProbePlanTests {
    @Test(arguments: [(pods: 1, seconds: 40), (20, 40), (60, 216), (300, 300)])
    func `large plans have more time for first packets, within a bound`(pods: Int, seconds: Int) {
        let sources = (0..<pods).map { ProbeSource(index: $0, pod: nil) }
        let plan = ProbePlan(
            id: 1, deadlineMillis: 1000, protocols: ["tcp", "udp", "icmp"], sources: sources, targets: [],
            pairs: sources.map { _ in Array(0..<pods) })
        #expect(plan.launchMillis == seconds * 1000)
    }
}
