import CLibbpf
import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// A BPF map whose keys and values have a fixed layout.
///
/// `Key` and `Value` are plain memory of exactly the kernel's sizes, which is checked when the map is opened. Owns its
/// descriptor; the kernel keeps the map while anything (a program, a pin, another descriptor) refers to it.
public struct Map<Key: BitwiseCopyable, Value: BitwiseCopyable>: ~Copyable, Sendable {
    /// The map's name, for errors.
    public let name: String
    private let file: FileDescriptor

    /// The descriptor's number, for calls inside this module. It is valid as long as the map value.
    public var descriptor: Int32 { file.rawValue }

    init(name: String, duplicating descriptor: Int32, isPerCPU: Bool = false) throws(SystemError) {
        let file = try FileDescriptor(duplicating: descriptor, subject: name)
        try self.init(name: name, file: file, isPerCPU: isPerCPU)
    }

    /// Opens a pinned map, for example `/sys/fs/bpf/labrun/dp_metrics`.
    public init(pinnedAt path: String) throws(SystemError) {
        try self.init(path: path, isPerCPU: false)
    }

    init(path: String, isPerCPU: Bool) throws(SystemError) {
        let opened = bpf_obj_get(path)
        guard opened >= 0 else { throw SystemError(code: -opened, call: "bpf_obj_get", subject: path) }
        try self.init(name: path, file: FileDescriptor(owning: opened), isPerCPU: isPerCPU)
    }

    private init(name: String, file: consuming FileDescriptor, isPerCPU: Bool) throws(SystemError) {
        try Self.requireLayout(of: file.rawValue, name: name, isPerCPU: isPerCPU)
        self.name = name
        self.file = file
    }

    /// Returns the value, or nil if the map has none (`ENOENT`).
    public func value(for key: Key) throws(SystemError) -> Value? {
        try withUnsafeTemporaryValue { (value: UnsafeMutablePointer<Value>) throws(SystemError) -> Value? in
            var key = key
            let result = bpf_map_lookup_elem(descriptor, &key, value)
            if result == -ENOENT { return nil }
            try require(result, "bpf_map_lookup_elem")
            return value.pointee
        }
    }

    /// Inserts the value, or replaces the one that is there.
    public func update(_ value: Value, for key: Key) throws(SystemError) {
        var key = key
        var value = value
        try require(bpf_map_update_elem(descriptor, &key, &value, UInt64(BPF_ANY)), "bpf_map_update_elem")
    }

    /// Removes the entry. Returns false if there was none.
    @discardableResult
    public func removeValue(for key: Key) throws(SystemError) -> Bool {
        var key = key
        let result = bpf_map_delete_elem(descriptor, &key)
        if result == -ENOENT { return false }
        try require(result, "bpf_map_delete_elem")
        return true
    }

    /// Returns the keys that are present. If the map changes meanwhile, a key may come twice or a new one be left out.
    /// The walk always ends, after at most four times as many steps as the map can hold entries.
    public func keys() throws(SystemError) -> [Key] {
        var keys: [Key] = []
        var limit = UInt64(try Self.info(of: descriptor, name: name).max_entries) * 4
        try withUnsafeTemporaryValue { (next: UnsafeMutablePointer<Key>) throws(SystemError) -> Void in
            var result = bpf_map_get_next_key(descriptor, nil, next)
            while result == 0, limit > 0 {
                keys.append(next.pointee)
                var previous = next.pointee
                result = bpf_map_get_next_key(descriptor, &previous, next)
                limit -= 1
            }
            if result != -ENOENT { try require(result, "bpf_map_get_next_key") }
        }
        return keys
    }

    /// The number of entries that the map can hold.
    public func capacity() throws(SystemError) -> Int {
        Int(try Self.info(of: descriptor, name: name).max_entries)
    }

    /// The kernel's number of the map. No other map gets it while this one exists.
    public func identifier() throws(SystemError) -> UInt32 { try Self.info(of: descriptor, name: name).id }

    /// Pins the map at a path on a BPF file system.
    public func pin(at path: String) throws(SystemError) {
        let result = bpf_obj_pin(descriptor, path)
        guard result == 0 else { throw SystemError(code: -result, call: "bpf_obj_pin", subject: path) }
    }
}

extension Map {
    private static func info(of descriptor: Int32, name: String) throws(SystemError) -> bpf_map_info {
        var info = bpf_map_info()
        var length = UInt32(MemoryLayout<bpf_map_info>.size)
        let result = bpf_obj_get_info_by_fd(descriptor, &info, &length)
        guard result == 0 else { throw SystemError(code: -result, call: "bpf_obj_get_info_by_fd", subject: name) }
        return info
    }

    /// Checks the map's layout. With another layout, the kernel would read and write beyond our memory.
    private static func requireLayout(of descriptor: Int32, name: String, isPerCPU: Bool) throws(SystemError) {
        let info = try info(of: descriptor, name: name)
        guard perCPUTypes.contains(info.type) == isPerCPU else {
            throw SystemError(
                code: EINVAL, call: "map layout",
                subject: "\(name): " + (isPerCPU ? "values are not per CPU" : "values are per CPU, use PerCPUMap"))
        }
        guard Int(info.key_size) == MemoryLayout<Key>.size, Int(info.value_size) == MemoryLayout<Value>.size else {
            throw SystemError(
                code: EINVAL, call: "map layout",
                subject: "\(name): keys of \(info.key_size), values of \(info.value_size) bytes, expected "
                    + "\(MemoryLayout<Key>.size) and \(MemoryLayout<Value>.size)")
        }
    }

    func require(_ result: Int32, _ call: String) throws(SystemError) {
        guard result == 0 else { throw SystemError(code: -result, call: call, subject: name) }
    }

    private func withUnsafeTemporaryValue<Plain: BitwiseCopyable, Result>(
        _ body: (UnsafeMutablePointer<Plain>) throws(SystemError) -> Result
    ) throws(SystemError) -> Result {
        let pointer = UnsafeMutablePointer<Plain>.allocate(capacity: 1)
        defer { pointer.deallocate() }
        return try body(pointer)
    }
}

/// The map types whose values the kernel keeps once per CPU.
private let perCPUTypes: Set<UInt32> = [
    BPF_MAP_TYPE_PERCPU_HASH.rawValue, BPF_MAP_TYPE_PERCPU_ARRAY.rawValue, BPF_MAP_TYPE_LRU_PERCPU_HASH.rawValue,
]
