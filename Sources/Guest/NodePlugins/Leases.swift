import CNI
import Files
import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// What a plugin remembers of its attachments. Each is a file: its name is what was given (an address or an interface),
/// and its content is who has it.
struct Leases {
    let directory: String

    init(_ directory: String) throws(SystemError) {
        try Directories.make(directory)
        self.directory = directory
    }

    /// The owner of an attachment, `CONTAINER INTERFACE`: the CNI specification identifies an attachment by these two.
    static func owner(_ environment: CNIEnvironment) -> String { "\(environment.containerID) \(environment.interface)" }

    /// Takes a name for an owner.
    ///
    /// - Returns: false when somebody has the name already.
    func take(_ name: String, for owner: String) throws(SystemError) -> Bool {
        do throws(SystemError) {
            // The file is written under a temporary name and linked to its own one, so that no other process sees it
            // without an owner.
            let path = "\(directory)/\(name)"
            let draft = "\(directory)/.\(getpid())"
            defer { unlink(draft) }
            try FileDescriptor.open(draft, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o644).writeAll(owner.utf8)
            try check("link", path) { link(draft, path) }
            return true
        } catch {
            if error.code == EEXIST { return false }
            throw error
        }
    }

    /// The names that an owner has.
    func names(of owner: String) throws(SystemError) -> [String] {
        try Directories.names(in: directory).filter { name in
            guard !name.hasPrefix("."),
                let content = try? FileDescriptor.open("\(directory)/\(name)", O_RDONLY).readToEnd()
            else { return false }
            return content == Array(owner.utf8)
        }
    }

    func release(_ name: String) { unlink("\(directory)/\(name)") }
}
