import Netlink
import Testing

@Suite struct NetemTests {
    @Test func settingsAreTheSameButForRounding() {
        let wanted = Netem(delay: 50_000, loss: 0.1)
        #expect(wanted.isClose(to: Netem(delay: 50_001, loss: 0.1 + 1e-9)))
        #expect(!wanted.isClose(to: Netem(delay: 50_002, loss: 0.1)))
        #expect(!wanted.isClose(to: Netem(delay: 50_000, loss: 0.11)))
        #expect(!wanted.isClose(to: Netem(delay: 50_000, loss: 0.1, limit: 10)))
    }
}
