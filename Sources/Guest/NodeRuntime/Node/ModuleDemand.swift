import Glibc
import LinuxKernel

/// Says which kernel module a name stands for, and which modules must be loaded before it. This is the node's
/// `modprobe`.
///
/// The index is a text of lines `module NAME PATH NEED…` (paths below the modules directory, needs in load order) and
/// `alias PATTERN NAME` (fnmatch(3)), as the image's build writes it.
struct ModuleDemand: Sendable {
    private struct Module {
        let path: String
        let needs: [String]
    }

    private var modules: [String: Module] = [:]
    private var aliases: [(pattern: String, name: String)] = []

    /// Reads the index. Lines of another form are skipped.
    init(_ index: String) {
        for line in index.split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            if words.count >= 3, words[0] == "module" {
                modules[Self.canonical(words[1])] = Module(path: words[2], needs: Array(words.dropFirst(3)))
            } else if words.count == 3, words[0] == "alias" {
                aliases.append((words[1], Self.canonical(words[2])))
            }
        }
    }

    /// Paths to load for a module's name or alias, in order; empty when nothing stands for it.
    func paths(for name: String) -> [String] {
        if let module = modules[Self.canonical(name)] { return module.needs + [module.path] }
        var paths: [String] = []
        for alias in aliases where fnmatch(alias.pattern, name, 0) == 0 {
            guard let module = modules[alias.name] else { continue }
            for path in module.needs + [module.path] where !paths.contains(path) { paths.append(path) }
        }
        return paths
    }

    /// The name with underscores for hyphens: the kernel treats the two as the same.
    private static func canonical(_ name: some StringProtocol) -> String {
        String(name.map { $0 == "-" ? "_" : $0 })
    }
}

extension ModuleDemand {
    static let index = "/etc/labrun/modules.demand"

    /// Loads the module that a name stands for, after the modules that it needs.
    /// - Throws: `SystemError` `ENOENT` when the image has nothing of that name.
    static func load(_ name: String) throws(SystemError) {
        let release = try readTextFile("/proc/sys/kernel/osrelease").split(separator: "\n").first ?? ""
        let paths = ModuleDemand(try readTextFile(index)).paths(for: name)
        guard !paths.isEmpty else { throw SystemError(code: ENOENT, call: "modprobe", subject: name) }
        for path in paths { try KernelModule.load("/lib/modules/\(release)/\(path)") }
    }

    /// Runs the process as `modprobe`. The kernel starts it so (request_module(9)): `modprobe -q -- NAME`.
    static func main(_ arguments: some Sequence<String>) -> Never {
        var failed = false
        for name in arguments where !name.hasPrefix("-") {
            do { try load(name) } catch { failed = true }
        }
        exit(failed ? 1 : 0)
    }
}
