import BPF
import Datapath
import DatapathModel
import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// Programs that an earlier agent loaded are kept if they are of the same build, complete, and use the maps that are
/// pinned now. Otherwise programs are loaded anew, and the pins of the old ones are removed.
enum KeptProgramsTest {
    private static let object = EmbeddedObject.overlay
    private static let programs = ["from_overlay", "to_overlay"]

    static func problems() throws -> [String] {
        try BPFFilesystem.ensure()
        let pins = "\(BPFFilesystem.mountPoint)/labrun-selftest-\(getpid())"
        try AtomicFile.makeDirectories(pins, mode: 0o700)
        defer { remove(pins) }
        let folder = "\(pins)/programs"
        let own = "\(folder)/\(object.rawValue)-\(object.digest)"
        let older = "\(folder)/\(object.rawValue)-0"
        var problems: [String] = []
        func expect(_ isPinned: Bool, _ what: String) throws {
            if try KeptObject.take(object, programs: programs, pins: pins).isPinned != isPinned {
                problems.append("\(what): \(isPinned ? "verified anew" : "taken from an earlier agent")")
            }
        }
        try expect(false, "nothing pinned")
        try expect(true, "the same build")
        try check("unlink", own) { unlink("\(own)/to_overlay") }
        try expect(false, "a program's pin missing")
        try check("unlink", pins) { unlink("\(pins)/\(MapName.metrics)") }
        try expect(false, "another map pinned")
        try check("rename", own) { rename(own, older) }
        try expect(false, "of another build")
        if access(older, F_OK) == 0 { problems.append("the other build's pins are still there") }
        try expect(true, "after all that")
        return problems
    }

    private static func remove(_ pins: String) {
        let kept = "\(pins)/programs"
        for name in (try? ProgramPins.names(in: kept)) ?? [] {
            try? ProgramPins(directory: "\(kept)/\(name)", mapDirectory: pins).remove()
        }
        rmdir(kept)
        for name in (try? ProgramPins.names(in: pins)) ?? [] { unlink("\(pins)/\(name)") }
        rmdir(pins)
    }
}
