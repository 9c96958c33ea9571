/// The generator SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014).
///
/// The same seed gives the same numbers on every machine and in every run, so that what a test drew can be drawn again.
/// Nothing that must not be guessed may come from it.
@frozen public struct SplitMix64: RandomNumberGenerator, Sendable {
    /// Where the generator is. A generator with this number as its seed goes on from here.
    public var state: UInt64

    @inlinable public init(seed: UInt64) { state = seed }

    @inlinable public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        return Self.mixed(state)
    }

    /// The generator's last step, by which every bit of a number changes about half of the bits of the result.
    @inlinable public static func mixed(_ number: UInt64) -> UInt64 {
        var number = number
        number = (number ^ number >> 30) &* 0xBF58_476D_1CE4_E5B9
        number = (number ^ number >> 27) &* 0x94D0_49BB_1331_11EB
        return number ^ number >> 31
    }
}
