import BPF
import CBPFObjects
import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// The programs of an embedded object, as an earlier agent of the same build had them loaded, or loaded now: verification takes
/// longer than all else that a start does.
package enum KeptObject: ~Copyable {
    case pinned(ProgramPins)
    case loaded(Object)

    /// - Parameters:
    ///   - programs: all that will be asked for.
    ///   - pins: the directory of the pinned maps, on a bpffs.
    package static func take(_ embedded: EmbeddedObject, programs: [String], pins: String) throws -> KeptObject {
        let folder = pins + "/programs"
        let name = "\(embedded.rawValue)-\(embedded.digest)"
        let kept = ProgramPins(directory: "\(folder)/\(name)", mapDirectory: pins)
        if kept.areIntact(programs) { return .pinned(kept) }
        var object = try embedded.open()
        object.setPinDirectory(pins)
        try object.load()
        try AtomicFile.makeDirectories(folder, mode: 0o700)
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
    /// FNV-1a over the octets by eights, hexadecimal: tells builds apart, not forgers.
    package var digest: String {
        let image = image
        let bytes = UnsafeRawBufferPointer(start: image.bytes, count: image.length)
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325 ^ UInt64(bytes.count)
        var offset = 0
        while offset + 8 <= bytes.count {
            hash = (hash ^ bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) &* 0x100_0000_01B3
            hash ^= hash >> 29
            offset += 8
        }
        for byte in bytes[offset...] { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return String(hash, radix: 16)
    }
}
