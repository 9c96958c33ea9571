import Hashing

/// The same mutations on every machine.
struct SeededNumbers {
    private var numbers: SplitMix64

    init(seed: UInt64) { numbers = SplitMix64(seed: seed) }

    mutating func below(_ bound: Int) -> Int { Int(numbers.next() % UInt64(bound)) }

    /// One to four changes: a bit, a byte, a byte more or less, a range repeated or the end cut off.
    mutating func mutated(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        for _ in 0...below(4) {
            guard !bytes.isEmpty else { return [UInt8(below(256))] }
            let place = below(bytes.count)
            switch below(6) {
            case 0: bytes[place] ^= 1 << UInt8(below(8))
            case 1: bytes[place] = [0, 1, 0x7f, 0x80, 0xff][below(5)]
            case 2: bytes.remove(at: place)
            case 3: bytes.insert(UInt8(below(256)), at: place)
            case 4: bytes.insert(contentsOf: bytes[place..<min(bytes.count, place + below(40))], at: place)
            default: if below(4) == 0 { bytes.removeLast(bytes.count - place) }
            }
        }
        return bytes
    }
}
