import Hashing

/// Consistent hashing as in "Maglev: A Fast and Reliable Software Network Load Balancer" (Eisenbud et al., NSDI 2016,
/// section 3.4). Every entry of a table of prime size names a backend. All backends have nearly equal shares, and one
/// that comes or goes moves few entries of the others. The same backends give the same table on every node. It is pure.
enum MaglevTable {
    /// - Parameters:
    ///   - names: The backends' names, all different.
    ///   - size: The number of entries: a prime larger than the number of backends.
    ///
    /// - Returns: For each entry, the position of its backend in `names`. It is empty without backends.
    static func entries(for names: [String], size: Int) -> [Int] {
        guard !names.isEmpty, size > 2 else { return [] }
        // The names are sorted, so that their order in the argument does not matter.
        let order = names.indices.sorted { names[$0] < names[$1] }
        let skips = order.map { Int(hash(names[$0], seed: 0x736B_6970) % UInt64(size - 1)) + 1 }
        var next = order.map { Int(hash(names[$0], seed: 0x6F66_6673) % UInt64(size)) }
        var table = [Int](repeating: -1, count: size)
        var filled = 0
        while true {
            for (position, backend) in order.enumerated() {
                while table[next[position]] >= 0 { next[position] = (next[position] + skips[position]) % size }
                table[next[position]] = backend
                filled += 1
                if filled == size { return table }
            }
        }
    }

    /// FNV-1a over the seed and the name, mixed as SplitMix64 does at its end.
    private static func hash(_ name: String, seed: UInt64) -> UInt64 {
        SplitMix64.mixed(FNV1a64.hash(name.utf8, seed: seed))
    }
}
