import Hashing
import Testing

@Suite struct FNV1aTests {
    /// From the test vectors of the algorithm's authors.
    @Test(
        arguments: [
            ("", 0xcbf2_9ce4_8422_2325, 0x811c_9dc5), ("a", 0xaf63_dc4c_8601_ec8c, 0xe40c_292c),
            ("foobar", 0x8594_4171_f739_67e8, 0xbf9c_f968),
        ] as [(String, UInt64, UInt32)])
    func `the published vectors`(text: String, wide: UInt64, narrow: UInt32) {
        #expect(FNV1a64.hash(text.utf8) == wide)
        #expect(FNV1a32.hash(text.utf8) == narrow)
    }

    @Test func `parts add up to the whole`() {
        var hash = FNV1a64()
        hash.combine("foo".utf8)
        hash.combine("bar".utf8)
        #expect(hash.value == FNV1a64.hash("foobar".utf8))
    }

    @Test func `a seed changes the hash`() {
        #expect(FNV1a64.hash("foobar".utf8, seed: 1) != FNV1a64.hash("foobar".utf8))
    }

    @Test func `every bit of a word reaches the low bits`() {
        let low = Set(
            (0..<64).map { bit in
                var hash = FNV1a64()
                hash.combine(word: 1 << UInt64(bit))
                hash.combine(word: 0)
                return hash.value & 0xFFFF
            })
        #expect(low.count > 60)
    }
}
