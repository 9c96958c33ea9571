import CLibbpf
import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// A BPF object file: the maps and programs of one translation unit, opened from memory and loaded into the kernel.
///
/// The value owns libbpf's object, and destroying it closes libbpf's descriptors. `Map` and `Program` values taken from
/// it have their own descriptors and outlive it. Whatever is pinned or attached stays in the kernel.
public struct Object: ~Copyable {
    /// The object's name as given when it was opened.
    public let name: String
    private let image: [UInt8]
    private var handle: OpaquePointer
    private var pinDirectory: String?
    private var statistics: [VerifierLog]

    /// Parses an ELF image.
    ///
    /// - Parameters:
    ///   - name: names the object in errors.
    ///   - image: the bytes of the `.bpf.o` file; copied.
    /// - Throws: `LoadFailure` when it is not a BPF object.
    public init(name: String, image: [UInt8]) throws(LoadFailure) {
        self.name = name
        self.image = image
        handle = try Object.open(name: name, image: image, log: nil)
        statistics = []
    }

    deinit {
        bpf_object__close(handle)
    }

    /// Sets the directory, on an existing BPF file system, in which the maps marked for pinning are pinned. Maps that
    /// are pinned there already are used instead of new ones.
    ///
    /// Without this call, or with nil, nothing is pinned and the object has its own maps.
    public mutating func setPinDirectory(_ directory: String?) {
        pinDirectory = directory
    }

    /// Makes the object use an open map instead of its own map of that name. Call it before `load`.
    public mutating func reuse<Key, Value>(_ map: borrowing Map<Key, Value>, as mapName: String) throws(SystemError) {
        try reuse(descriptor: map.descriptor, as: mapName)
    }

    /// Makes the object use the map of another loaded object instead of its own map of that name. Call it before
    /// `load`.
    public mutating func reuse(_ mapName: String, of other: borrowing Object) throws(SystemError) {
        try reuse(descriptor: try other.mapDescriptor(mapName), as: mapName)
    }

    private mutating func reuse(descriptor: Int32, as mapName: String) throws(SystemError) {
        guard let own = bpf_object__find_map_by_name(handle, mapName) else {
            throw SystemError(code: ENOENT, call: "bpf_object__find_map_by_name", subject: "\(name)/\(mapName)")
        }
        let result = bpf_map__reuse_fd(own, descriptor)
        guard result == 0 else {
            throw SystemError(code: -result, call: "bpf_map__reuse_fd", subject: "\(name)/\(mapName)")
        }
    }

    /// Creates the maps and lets the kernel verify and load every program.
    ///
    /// After a refusal this loads once more with the verifier's full log, so that the error contains it.
    ///
    /// - Throws: `LoadFailure`, or `SystemError` if a pin path does not fit.
    public mutating func load() throws {
        try Object.setPinPaths(handle, name: name, directory: pinDirectory)
        let logs = Object.requestStatistics(handle)
        LibbpfMessages.clear()
        let result = bpf_object__load(handle)
        guard result == 0 else {
            throw explainFailure(code: -result)
        }
        statistics = logs
    }

    /// Returns a map with a descriptor of its own. Call it after `load`.
    public func map<Key: BitwiseCopyable, Value: BitwiseCopyable>(
        _ mapName: String, key: Key.Type = Key.self, value: Value.Type = Value.self
    ) throws(SystemError) -> Map<Key, Value> {
        try Map(name: mapName, duplicating: try mapDescriptor(mapName))
    }

    /// Returns a map with one value per CPU. Call it after `load`.
    public func perCPUMap<Key: BitwiseCopyable, Value: BitwiseCopyable>(
        _ mapName: String, key: Key.Type = Key.self, value: Value.Type = Value.self
    ) throws(SystemError) -> PerCPUMap<Key, Value> {
        try PerCPUMap(name: mapName, duplicating: try mapDescriptor(mapName))
    }

    /// Returns the consumer of a ring buffer. Call it after `load`.
    public func ringBuffer(_ mapName: String) throws(SystemError) -> RingBuffer {
        try RingBuffer(mapDescriptor: try mapDescriptor(mapName))
    }

    /// Returns a program with a descriptor of its own. Call it after `load`.
    public func program(_ programName: String) throws(SystemError) -> Program {
        let log = statistics.first { $0.program == programName }
        return try Program(
            name: programName, duplicating: try programDescriptor(programName), processed: log?.processedInstructions)
    }

    /// The descriptor that the object itself owns. Call it after `load`.
    func programDescriptor(_ programName: String) throws(SystemError) -> Int32 {
        guard let program = bpf_object__find_program_by_name(handle, programName) else {
            throw SystemError(code: ENOENT, call: "bpf_object__find_program_by_name", subject: "\(name)/\(programName)")
        }
        return bpf_program__fd(program)
    }

    func mapDescriptor(_ mapName: String) throws(SystemError) -> Int32 {
        let descriptor = bpf_object__find_map_fd_by_name(handle, mapName)
        guard descriptor >= 0 else {
            throw SystemError(code: -descriptor, call: "bpf_object__find_map_fd_by_name", subject: "\(name)/\(mapName)")
        }
        return descriptor
    }

    /// The names of the object's programs, in the order of the file.
    public var programNames: [String] {
        Object.programs(of: handle).map { String(cString: bpf_program__name($0)) }
    }

    /// The names of the object's maps.
    public var mapNames: [String] {
        Object.maps(of: handle).map { String(cString: bpf_map__name($0)) }
    }
}

extension Object {
    private static func programs(of handle: OpaquePointer) -> [OpaquePointer] {
        Array(
            sequence(state: OpaquePointer?.none) { previous in
                previous = bpf_object__next_program(handle, previous)
                return previous
            })
    }

    private static func maps(of handle: OpaquePointer) -> [OpaquePointer] {
        Array(
            sequence(state: OpaquePointer?.none) { previous in
                previous = bpf_object__next_map(handle, previous)
                return previous
            })
    }

    private static func open(
        name: String, image: [UInt8], log: UnsafeMutableBufferPointer<CChar>?
    ) throws(LoadFailure) -> OpaquePointer {
        LibbpfMessages.install()
        LibbpfMessages.clear()
        let opened = name.withCString { cName in
            var options = bpf_object_open_opts()
            options.sz = optionsSize(through: \bpf_object_open_opts.kernel_log_level)
            options.object_name = cName
            if let log {
                options.kernel_log_buf = log.baseAddress
                options.kernel_log_size = log.count
                options.kernel_log_level = 1
            }
            return image.withUnsafeBytes { bpf_object__open_mem($0.baseAddress, $0.count, &options) }
        }
        guard let opened else {
            throw LoadFailure(code: errno, object: name, program: nil, log: "", messages: LibbpfMessages.take())
        }
        return opened
    }

    /// Sets or clears every map's pin path. Otherwise libbpf would pin below `/sys/fs/bpf` itself.
    private static func setPinPaths(_ handle: OpaquePointer, name: String, directory: String?) throws(SystemError) {
        for map in maps(of: handle) where bpf_map__pin_path(map) != nil {
            let mapName = String(cString: bpf_map__name(map))
            let result =
                directory.map { bpf_map__set_pin_path(map, "\($0)/\(mapName)") } ?? bpf_map__set_pin_path(map, nil)
            guard result == 0 else {
                throw SystemError(code: -result, call: "bpf_map__set_pin_path", subject: "\(name)/\(mapName)")
            }
        }
    }

    /// Requests only the verifier's statistics, which take a line or two even for a large program.
    private static func requestStatistics(_ handle: OpaquePointer) -> [VerifierLog] {
        programs(of: handle).map { program in
            let log = VerifierLog(program: String(cString: bpf_program__name(program)))
            _ = bpf_program__set_log_buf(program, log.buffer.baseAddress, log.buffer.count)
            _ = bpf_program__set_log_level(program, VerifierLog.statisticsLevel)
            return log
        }
    }

    /// Loads a second copy with the verifier's full log. All programs share one buffer and are loaded one after the
    /// other, so the buffer's last text belongs to the program that was refused.
    private func explainFailure(code: Int32) -> LoadFailure {
        let messages = LibbpfMessages.take()
        let log = UnsafeMutableBufferPointer<CChar>.allocate(capacity: 16 << 20)
        log.initialize(repeating: 0)
        defer { log.deallocate() }
        guard let again = try? Object.open(name: name, image: image, log: log) else {
            return LoadFailure(code: code, object: name, program: nil, log: "", messages: messages)
        }
        defer { bpf_object__close(again) }
        try? Object.setPinPaths(again, name: name, directory: nil)
        guard bpf_object__load(again) != 0 else {
            return LoadFailure(code: code, object: name, program: nil, log: "", messages: messages)
        }
        let refused = Object.programs(of: again).first { bpf_program__fd($0) < 0 }
        return LoadFailure(
            code: code, object: name, program: refused.map { String(cString: bpf_program__name($0)) },
            log: log.baseAddress.map { String(cString: $0) } ?? "", messages: messages)
    }
}
