/// Consistent hashing as in "Maglev: A Fast and Reliable Software Network Load Balancer" (Eisenbud et al., NSDI 2016,
/// section 3.4): every entry of a table of prime size names a backend, all have nearly the same share, and one that
/// comes or goes moves few entries of the others. The same backends give the same table on every node; pure.
enum MaglevTable {
    /// - Parameters:
    ///   - names: of the backends, different ones.
    ///   - size: entries; a prime number, larger than the number of backends.
    /// - Returns: for each entry, the position of its backend in `names`; empty without backends.
    static func entries(for names: [String], size: Int) -> [Int] {
        guard !names.isEmpty, size > 2 else { return [] }
        // In order of the names, so that the order given has no part in it.
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

    /// FNV-1a over the seed and the name, finished as SplitMix64 does.
    private static func hash(_ name: String, seed: UInt64) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325 ^ seed
        for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        hash = (hash ^ hash >> 30) &* 0xBF58_476D_1CE4_E5B9
        hash = (hash ^ hash >> 27) &* 0x94D0_49BB_1331_11EB
        return hash ^ hash >> 31
    }
}
