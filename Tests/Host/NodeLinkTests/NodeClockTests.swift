import LinuxKernel
import Testing

@testable import Lab

@Suite struct NodeClockTests {
    private static let start = ContinuousClock.now

    /// A reading whose question left after `asked` seconds and whose answer was there after `answered` seconds.
    private func reading(_ asked: Double, _ answered: Double, uptime: Double) -> NodeClock {
        NodeClock(
            asked: Self.start + .seconds(asked), answered: Self.start + .seconds(answered), uptime: .seconds(uptime))
    }

    @Test func aClockThatKeepsUpIsBelieved() {
        let first = reading(0, 1, uptime: 30)
        #expect(reading(10, 11, uptime: 40).rate(since: first) == nil)
        // The node may have answered at any time between question and answer.
        #expect(reading(10, 14, uptime: 44).rate(since: first) == nil)
        #expect(reading(10, 11, uptime: 38.5).rate(since: first) == nil)
        #expect(reading(0.1, 30, uptime: 30).rate(since: first) == nil)
    }

    /// Under KVM the kernel knows the rate, and a wrong one would be believed.
    @Test func onlyEmulatedNodesAreToldTheRate() async throws {
        let told = try await LibvirtHypervisor.clockParameters(accelerator: "tcg")
        let measured = try #require(try await TimeStampCounter.kilohertz())
        let rate = try #require(told.first.flatMap { Int($0.dropFirst("tsc_early_khz=".count)) })
        #expect(told.count == 1 && abs(rate - measured) * 200 < measured, "\(told), \(measured) kHz")
        #expect(try await LibvirtHypervisor.clockParameters(accelerator: "kvm").isEmpty)
    }

    @Test func aClockThatRunsFastOrSlowIsNot() throws {
        let first = reading(0, 0, uptime: 30)
        let fast = try #require(reading(3, 3, uptime: 83.6).rate(since: first))
        #expect(abs(fast - 17.87) < 0.01)
        let slow = try #require(reading(10, 10, uptime: 35).rate(since: first))
        #expect(abs(slow - 0.5) < 0.01)
    }
}
