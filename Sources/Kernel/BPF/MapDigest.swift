/// A number for the content of a map. Equal contents in any order give the same number; an entry that comes, goes or
/// changes gives another one. It detects mistakes, not forgery.
public struct MapDigest: Equatable, Sendable {
    public internal(set) var sum: UInt64
    public internal(set) var count: UInt64

    public init(sum: UInt64 = 0, count: UInt64 = 0) {
        self.sum = sum
        self.count = count
    }

    @inlinable
    public mutating func insert<Key: BitwiseCopyable, Value: BitwiseCopyable>(_ key: Key, _ value: Value) {
        withUnsafeBytes(of: key) { key in withUnsafeBytes(of: value) { add(key, $0) } }
    }

    /// - Parameter value: The value that the key has at present.
    @inlinable
    public mutating func remove<Key: BitwiseCopyable, Value: BitwiseCopyable>(_ key: Key, _ value: Value) {
        withUnsafeBytes(of: key) { key in withUnsafeBytes(of: value) { subtract(key, $0) } }
    }

    @usableFromInline
    mutating func add(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        sum &+= Self.hash(key, value)
        count &+= 1
    }

    @usableFromInline
    mutating func subtract(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        sum &-= Self.hash(key, value)
        count &-= 1
    }

    private static func hash(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> UInt64 {
        let both = mix(value, into: mix(key, into: 0xCBF2_9CE4_8422_2325))
        return (both ^ both >> 31) &* 0x94D0_49BB_1331_11EB
    }

    @inline(__always)
    private static func mix(_ bytes: UnsafeRawBufferPointer, into start: UInt64) -> UInt64 {
        var hash = start
        var offset = 0
        while offset + 4 <= bytes.count {
            let word = bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
            hash = (hash ^ UInt64(word)) &* 0x9E37_79B9_7F4A_7C15
            hash ^= hash >> 29
            offset += 4
        }
        for byte in bytes[offset...] { hash = (hash ^ UInt64(byte)) &* 0x9E37_79B9_7F4A_7C15 }
        return hash
    }
}
