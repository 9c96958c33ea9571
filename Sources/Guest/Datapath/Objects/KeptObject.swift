import BPF
import CBPFObjects
import Files
import Hashing
import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// The programs of an embedded object, either as an earlier agent of the same build loaded them or loaded now.
/// Verification takes longer than everything else in a start.
package enum KeptObject: ~Copyable {
    case pinned(ProgramPins)
    case loaded(Object)

    /// - Parameters:
    ///   - programs: All programs that will be asked for.
    ///   - pins: The directory of the pinned maps, on a BPF file system.
    package static func take(_ embedded: EmbeddedObject, programs: [String], pins: String) throws -> KeptObject {
        let folder = pins + "/programs"
        let name = "\(embedded.rawValue)-\(embedded.digest)"
        let kept = ProgramPins(directory: "\(folder)/\(name)", mapDirectory: pins)
        if kept.areIntact(programs) { return .pinned(kept) }
        var object = try embedded.open()
        object.setPinDirectory(pins)
        try object.load()
        try Directories.make(folder, mode: 0o700)
        for other in try ProgramPins.names(in: folder) where other.hasPrefix("\(embedded.rawValue)-") {
            try ProgramPins(directory: "\(folder)/\(other)", mapDirectory: pins).remove()
        }
        try object.pin(kept)
        return .loaded(object)
    }

    package var isPinned: Bool {
        switch self {
        case .pinned: true
        case .loaded: false
        }
    }

    func program(_ name: String) throws(SystemError) -> Program {
        switch self {
        case .pinned(let pins): try pins.program(name)
        case .loaded(let object): try object.program(name)
        }
    }
}

extension EmbeddedObject {
    /// A hexadecimal FNV-1a over the bytes, eight at a time. It tells builds apart, but no forgery.
    package var digest: String {
        let image = image
        let bytes = UnsafeRawBufferPointer(start: image.bytes, count: image.length)
        var hash = FNV1a64(seed: UInt64(bytes.count))
        var offset = 0
        while offset + 8 <= bytes.count {
            hash.combine(word: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            offset += 8
        }
        hash.combine(bytes[offset...])
        return String(hash.value, radix: 16)
    }
}
