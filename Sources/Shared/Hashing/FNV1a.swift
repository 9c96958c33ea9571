/// The hash of Fowler, Noll and Vo in its variant FNV-1a, with 64 bits (http://www.isthe.com/chongo/tech/comp/fnv).
///
/// It gives the same number on every machine and in every run, which Swift's `Hasher` does not. It tells apart what
/// differs by chance; it does not protect from somebody who looks for two inputs with one hash.
@frozen public struct FNV1a64: Sendable, Equatable {
    /// The hash of what was combined so far.
    public var value: UInt64

    /// - Parameter seed: Changes the hash of everything; two seeds give two independent hashes. 0 is plain FNV-1a.
    @inlinable public init(seed: UInt64 = 0) { value = 0xCBF2_9CE4_8422_2325 ^ seed }

    /// The hash of some bytes.
    @inlinable public static func hash(_ bytes: some Sequence<UInt8>, seed: UInt64 = 0) -> UInt64 {
        var hash = FNV1a64(seed: seed)
        hash.combine(bytes)
        return hash.value
    }

    @inlinable public mutating func combine(_ byte: UInt8) { value = (value ^ UInt64(byte)) &* 0x100_0000_01B3 }

    @inlinable public mutating func combine(_ bytes: some Sequence<UInt8>) {
        for byte in bytes { combine(byte) }
    }

    /// Combines eight bytes in one step. The result is not that of the eight single bytes.
    ///
    /// A multiplication carries upwards only, so that without the shift the word's high bits would never reach the low
    /// ones.
    @inlinable public mutating func combine(word: UInt64) {
        value = (value ^ word) &* 0x100_0000_01B3
        value ^= value >> 29
    }
}

/// The same hash with 32 bits.
public enum FNV1a32 {
    /// The hash of some bytes.
    @inlinable public static func hash(_ bytes: some Sequence<UInt8>) -> UInt32 {
        bytes.reduce(0x811C_9DC5) { ($0 ^ UInt32($1)) &* 0x0100_0193 }
    }
}
