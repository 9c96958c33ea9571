import Testing

@testable import Datapath

@Suite struct EgressRateTests {
    @Test(
        arguments: [
            ("10M", 10_000_000), ("1.5G", 1_500_000_000), ("64Ki", 65_536), ("2500000", 2_500_000), ("1k", 1000),
            ("5000000m", 5000), ("1P", 1_000_000_000_000_000),
        ] as [(String, UInt64)])
    func `a quantity is bits per second`(_ text: String, _ bits: UInt64) {
        #expect(EgressRate(quantity: text)?.bitsPerSecond == bits)
    }

    @Test(arguments: ["", "M", "-1M", "999", "2P", "10 M", "10MB", "1e6", "1.2.3M", "１0M", ".M", "nan", "0x10M"])
    func `what is no rate is refused`(_ text: String) {
        #expect(EgressRate(quantity: text) == nil)
    }
}
