import Testing

@testable import Datapath

/// The properties that the paper promises for its tables.
@Suite struct MaglevTableTests {
    private static let size = 16_381

    private func names(_ numbers: some Sequence<Int>) -> [String] {
        numbers.map { "192.168.\($0 / 256).\($0 % 256):8080/TCP" }
    }

    @Test(arguments: [1, 2, 3, 10, 100]) func everyBackendHasItsShare(count: Int) {
        let table = MaglevTable.entries(for: names(1...count), size: Self.size)
        var shares = [Int](repeating: 0, count: count)
        for backend in table { shares[backend] += 1 }
        #expect(table.count == Self.size)
        // Backends take turns: no share differs from another by more than one entry.
        #expect((shares.max() ?? 0) - (shares.min() ?? 0) <= 1)
    }

    @Test(arguments: [3, 10, 100]) func aBackendThatGoesMovesFewOthers(count: Int) {
        let before = names(1...count)
        let after = Array(before.dropFirst())
        let old = MaglevTable.entries(for: before, size: Self.size).map { before[$0] }
        let new = MaglevTable.entries(for: after, size: Self.size).map { after[$0] }
        let moved = zip(old, new).count { $0 != $1 && $0 != before[0] }
        // The paper measures a few percent at this size.
        #expect(Double(moved) / Double(Self.size) < 0.06)
        #expect(zip(old, new).contains { $0 == before[0] && $1 != before[0] })
    }

    @Test func theOrderGivenHasNoPartInIt() {
        let forward = names(1...7)
        let backward = Array(forward.reversed())
        let one = MaglevTable.entries(for: forward, size: 1021).map { forward[$0] }
        let other = MaglevTable.entries(for: backward, size: 1021).map { backward[$0] }
        #expect(one == other)
    }

    @Test func nothingWithoutBackends() {
        #expect(MaglevTable.entries(for: [], size: 251) == [])
    }
}
