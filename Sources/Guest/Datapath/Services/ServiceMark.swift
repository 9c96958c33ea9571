import BPF
import Files
import Hashing
import LinuxKernel
import NetAddress

#if canImport(Glibc)
    import Glibc
#endif

/// Records what the service maps were made from and what they have held since. It is written after every successful
/// change. An agent that starts again can thus tell that the maps agree with the objects, without reading tens of
/// thousands of objects.
///
/// It is a file of 64-bit words in the machine's byte order, with a digest at its end. It is trusted only while
/// everything in it still holds. A change that was written down and not carried out, another configuration, another
/// build, or maps that something else changed make it void.
package struct ServiceMark: Equatable, Sendable {
    /// A digest of the configuration, the addresses and the nodes that services depend on.
    var plan: UInt64
    /// The executable.
    var program: FileStamp
    /// The files of the objects that services depend on.
    var files: [FileStamp]
    var maps: [MapStamp]
    /// The numbers of objects.
    var services: Int
    var endpointSlices: Int
    /// The addresses of the API server, which policies need at once.
    var apiServers: [IPv4Address]

    /// Identifies a file and its last change.
    struct FileStamp: Equatable, Sendable {
        var device: UInt64 = 0
        var inode: UInt64 = 0
        var size: UInt64 = 0
        /// The time of the last change, in nanoseconds.
        var time: UInt64 = 0

        /// Returns the file's stamp. All its fields are zero if there is no such file.
        static func of(_ path: String) throws(SystemError) -> FileStamp {
            var found = stat()
            if stat(path, &found) != 0 {
                if errno == ENOENT { return FileStamp() }
                throw .last("stat", path)
            }
            return FileStamp(
                device: UInt64(found.st_dev), inode: UInt64(found.st_ino), size: UInt64(found.st_size),
                time: UInt64(bitPattern: Int64(found.st_mtim.tv_sec)) &* 1_000_000_000 &+ UInt64(found.st_mtim.tv_nsec))
        }
    }

    struct MapStamp: Equatable, Sendable {
        var identifier: UInt32
        var content: MapDigest
    }

    /// Returns what differs from the required state, or nil if nothing does.
    func difference(from now: ServiceMark) -> String? {
        if program != now.program { return "another build" }
        if plan != now.plan { return "configuration, addresses or nodes changed" }
        if files != now.files { return "objects changed after the maps" }
        if maps.map(\.identifier) != now.maps.map(\.identifier) { return "other maps" }
        return maps == now.maps ? nil : "the maps' content changed"
    }

    // MARK: File

    private static let magic: UInt64 = 0x4B52_414D_5356_534C
    /// The version of the file's layout.
    static let version: UInt64 = 1
    private static let (fileCount, mapCount) = (4, 4)

    enum Unreadable: String, Error, CustomStringConvertible {
        case missing = "nothing marked"
        case damaged = "mark damaged"
        case otherVersion = "mark of another version"
        var description: String { rawValue }
    }

    var bytes: [UInt8] {
        var words: [UInt64] = [Self.magic, Self.version, plan]
        for file in [program] + files { words += [file.device, file.inode, file.size, file.time] }
        for map in maps { words += [UInt64(map.identifier), map.content.sum, map.content.count] }
        words += [UInt64(services), UInt64(endpointSlices), UInt64(apiServers.count)]
        words += apiServers.map { UInt64($0.rawValue) }
        words.append(Self.digest(words[...]))
        return words.withUnsafeBytes { Array($0) }
    }

    init(_ bytes: [UInt8]) throws(Unreadable) {
        guard bytes.count % 8 == 0 else { throw .damaged }
        var words = bytes.withUnsafeBytes { raw in
            stride(from: 0, to: raw.count, by: 8).map { raw.loadUnaligned(fromByteOffset: $0, as: UInt64.self) }
        }
        guard let digest = words.popLast(), words.first == Self.magic,
            digest == Self.digest(words[...])
        else { throw .damaged }
        guard words.count > 1, words[1] == Self.version else { throw .otherVersion }
        var rest = words[2...]
        func next() throws(Unreadable) -> UInt64 {
            guard let word = rest.popFirst() else { throw .damaged }
            return word
        }
        func number<Number: FixedWidthInteger>() throws(Unreadable) -> Number {
            guard let number = Number(exactly: try next()) else { throw .damaged }
            return number
        }
        func file() throws(Unreadable) -> FileStamp {
            FileStamp(device: try next(), inode: try next(), size: try next(), time: try next())
        }
        plan = try next()
        program = try file()
        files = []
        for _ in 0..<Self.fileCount { files.append(try file()) }
        maps = []
        for _ in 0..<Self.mapCount {
            maps.append(
                MapStamp(identifier: try number(), content: MapDigest(sum: try next(), count: try next())))
        }
        services = try number()
        endpointSlices = try number()
        let count: Int = try number()
        guard count == rest.count else { throw .damaged }
        apiServers = []
        for _ in 0..<count { apiServers.append(IPv4Address(rawValue: try number())) }
    }

    init(
        plan: UInt64, program: FileStamp, files: [FileStamp], maps: [MapStamp], services: Int, endpointSlices: Int,
        apiServers: [IPv4Address]
    ) {
        self.plan = plan
        self.program = program
        self.files = files
        self.maps = maps
        self.services = services
        self.endpointSlices = endpointSlices
        self.apiServers = apiServers
    }

    static func load(_ path: String) throws -> ServiceMark {
        guard let bytes = try AtomicFile.read(path) else { throw Unreadable.missing }
        return try ServiceMark(bytes)
    }

    func save(to path: String) throws(SystemError) { try AtomicFile.write(bytes, to: path) }

    /// A hash of the words, which tells a file that was cut off or changed.
    static func digest(_ words: ArraySlice<UInt64>) -> UInt64 {
        var hash = FNV1a64()
        for word in words { hash.combine(word: word) }
        return hash.value
    }
}
