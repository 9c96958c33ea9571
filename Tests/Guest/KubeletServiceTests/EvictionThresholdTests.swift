import Testing

@testable import KubeletService

@Suite struct EvictionThresholdTests {
    private static let mebibyte: Int64 = 1 << 20

    /// What is configured, the machine's memory and the threshold in MiB.
    static let cases: [(text: String?, memory: Int64, bytes: Int64)] = [
        (nil, 16_000 * mebibyte, 100 * mebibyte), (nil, 200 * mebibyte, 10 * mebibyte), (nil, 0, 0),
        ("40Mi", 200 * mebibyte, 40 * mebibyte), ("1Gi", 200 * mebibyte, 1024 * mebibyte), ("0", 200 * mebibyte, 0),
        ("10%", 200 * mebibyte, 20 * mebibyte), ("0%", 200 * mebibyte, 0),
        ("nonsense", 200 * mebibyte, 10 * mebibyte), ("-1Mi", 200 * mebibyte, 10 * mebibyte),
        ("200%", 200 * mebibyte, 10 * mebibyte), ("nan%", 200 * mebibyte, 10 * mebibyte), ("5%", -1, 0),
    ]

    @Test(arguments: cases.indices)
    func `a threshold is bytes or a share of the machine's memory`(index: Int) {
        let one = Self.cases[index]
        #expect(EvictionThreshold.bytes(one.text, of: one.memory) / 4 == one.bytes / 4)
    }
}
