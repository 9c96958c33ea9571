import KubeProxy
import Observations
import Testing

@testable import Runner

@Suite struct KubeProxyReadingTests {
    private static let saved = SavedRules(
        """
        *nat
        :PREROUTING ACCEPT [0:0]
        :KUBE-SERVICES - [0:0]
        [0:0] -A PREROUTING -j KUBE-SERVICES
        COMMIT
        """)

    @Test func `chains and rules of kube-proxy are told from others`() {
        let clean = KubeProxyReading(SavedRules(""), processes: ["labguest"])
        #expect(clean.chains == [] && clean.rules == [] && clean.processes == ["labguest"])
        let rules = KubeProxyReading(Self.saved, processes: ["labguest"])
        #expect(rules.chains == ["KUBE-SERVICES"])
        #expect(rules.rules == ["-A PREROUTING -j KUBE-SERVICES"])
    }
}
