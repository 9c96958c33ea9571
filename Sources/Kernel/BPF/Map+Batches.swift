import CLibbpf
import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

// What is generic here and called for tens of thousands of entries is inlinable, so that other modules have it for
// their types. Many entries in one call (`BPF_MAP_UPDATE_BATCH`, `BPF_MAP_LOOKUP_BATCH`: Linux 5.6, hash maps first).
// What the kernel does not know of a map it answers with one of `unsupported`, and entries go one by one.

/// ENOTSUPP is the kernel's own number, which no header of user space has.
private let unsupported: Set<Int32> = [-EINVAL, -EOPNOTSUPP, -524, -ENOSPC]

extension Map {
    /// Inserts or replaces, in this order.
    func update(_ keys: [Key], _ values: [Value]) throws(SystemError) {
        func oneByOne() throws(SystemError) {
            for index in 0..<min(keys.count, values.count) { try update(values[index], for: keys[index]) }
        }
        guard keys.count > 1, keys.count == values.count else { return try oneByOne() }
        var count = UInt32(keys.count)
        var options = bpf_map_batch_opts()
        options.sz = optionsSize(through: \bpf_map_batch_opts.flags)
        let result = bpf_map_update_batch(descriptor, keys, values, &count, &options)
        if unsupported.contains(result) { return try oneByOne() }
        try require(result, "bpf_map_update_batch")
    }

    /// All entries, read one after the other: not a snapshot.
    @inlinable
    public func entries() throws(SystemError) -> [(key: Key, value: Value)] {
        var entries: [(key: Key, value: Value)] = []
        let isWhole = try visitBatches { keys, values, count in
            let keys = UnsafeBufferPointer(start: keys.assumingMemoryBound(to: Key.self), count: count)
            let values = UnsafeBufferPointer(start: values.assumingMemoryBound(to: Value.self), count: count)
            for index in 0..<count { entries.append((keys[index], values[index])) }
        }
        return isWhole ? entries : try entriesOneByOne()
    }

    /// The digest of all entries.
    @inlinable
    public func digest() throws(SystemError) -> MapDigest {
        var digest = MapDigest()
        let isWhole = try visitBatches { keys, values, count in
            let keys = UnsafeBufferPointer(start: keys.assumingMemoryBound(to: Key.self), count: count)
            let values = UnsafeBufferPointer(start: values.assumingMemoryBound(to: Value.self), count: count)
            for index in 0..<count { digest.insert(keys[index], values[index]) }
        }
        if isWhole { return digest }
        digest = MapDigest()
        for entry in try entriesOneByOne() { digest.insert(entry.key, entry.value) }
        return digest
    }

    @usableFromInline
    func entriesOneByOne() throws(SystemError) -> [(key: Key, value: Value)] {
        var entries: [(key: Key, value: Value)] = []
        for key in try keys() {
            if let value = try value(for: key) { entries.append((key, value)) }
        }
        return entries
    }

    /// - Parameter visit: sees arrays of keys and of values and how many they hold, several times.
    /// - Returns: false when the kernel cannot, or when an entry came or went in a way that it cannot follow: then not
    ///   all were seen.
    @usableFromInline
    func visitBatches(
        _ visit: (UnsafeRawPointer, UnsafeRawPointer, Int) -> Void
    ) throws(SystemError) -> Bool {
        // The most that one call gives; a bucket that holds more ends the attempt.
        let size = 4096
        let keys = UnsafeMutablePointer<Key>.allocate(capacity: size)
        let values = UnsafeMutablePointer<Value>.allocate(capacity: size)
        // Where to go on: four octets, for some types a key.
        let position = UnsafeMutableRawPointer.allocate(byteCount: max(8, MemoryLayout<Key>.size), alignment: 8)
        defer {
            keys.deallocate()
            values.deallocate()
            position.deallocate()
        }
        var options = bpf_map_batch_opts()
        options.sz = optionsSize(through: \bpf_map_batch_opts.flags)
        var isFirst = true
        // Every call goes on behind the last, so that the walk ends; the bound is for kernels that would not.
        for _ in 0...(try capacity() / size + 1) * 64 {
            var count = UInt32(size)
            let result = bpf_map_lookup_batch(
                descriptor, isFirst ? nil : position, position, keys, values, &count, &options)
            if unsupported.contains(result) { return false }
            if result != -ENOENT { try require(result, "bpf_map_lookup_batch") }
            visit(keys, values, min(Int(count), size))
            if result == -ENOENT { return true }
            isFirst = false
        }
        return false
    }
}

/// Updates of a map that wait, so that many go in one call. Their order stays.
public struct QueuedUpdates<Key: BitwiseCopyable & Sendable, Value: BitwiseCopyable & Sendable>: ~Copyable, Sendable {
    public let map: Map<Key, Value>
    @usableFromInline var keys: [Key] = []
    @usableFromInline var values: [Value] = []
    @usableFromInline static var most: Int { 4096 }

    public init(_ map: consuming Map<Key, Value>) { self.map = map }

    /// - Returns: whether so many wait that they should be carried out.
    @inlinable
    @discardableResult
    public mutating func update(_ value: Value, for key: Key) -> Bool {
        keys.append(key)
        values.append(value)
        return keys.count >= Self.most
    }

    /// What waits is not carried out.
    public mutating func forget() {
        keys.removeAll(keepingCapacity: true)
        values.removeAll(keepingCapacity: true)
    }

    /// Carries out what waits. After an error nothing waits: what was and was not done is in the map.
    public mutating func flush() throws(SystemError) {
        guard !keys.isEmpty else { return }
        defer { forget() }
        try map.update(keys, values)
    }
}
