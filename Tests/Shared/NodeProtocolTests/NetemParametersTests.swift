import NodeProtocol
import Testing

@Suite struct NetemParametersTests {
    /// The kernel holds a share as a fraction of 2³², and what is read back is not quite what was asked for.
    @Test(arguments: [(30, "30%"), (0.5, "0.5%"), (12.345, "12.345%"), (100, "100%"), (0, "0%")])
    func `a share is written as it was asked for`(percent: Double, words: String) {
        let held = UInt32((percent / 100 * Double(UInt32.max)).rounded())
        let read = NetemParameters.percent(fraction: Double(held) / Double(UInt32.max))
        #expect(NetemParameters(lossPercent: read).description.contains(" loss \(words) "))
        #expect(NetemParameters(lossPercent: read).isClose(to: NetemParameters(lossPercent: percent)))
    }

    @Test func `the seen reading of 30 % is 30`() {
        #expect(NetemParameters.percent(fraction: 0.3000000001164153) == 30)
    }

    @Test(arguments: [
        \NetemParameters.delayMillis, \.jitterMillis, \.lossPercent, \.corruptPercent, \.duplicatePercent,
        \.reorderPercent,
    ])
    func `every parameter tells two settings apart`(path: WritableKeyPath<NetemParameters, Double> & Sendable) {
        let wanted = NetemParameters(
            delayMillis: 20, jitterMillis: 5, lossPercent: 10, corruptPercent: 1, duplicatePercent: 2,
            reorderPercent: 25)
        var other = wanted
        other[keyPath: path] += 0.00005
        #expect(wanted.isClose(to: other))
        other[keyPath: path] += 0.01
        #expect(!wanted.isClose(to: other))
    }
}
