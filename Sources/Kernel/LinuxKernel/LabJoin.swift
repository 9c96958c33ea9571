import CLinuxShim

#if canImport(Glibc)
    import Glibc
#endif

/// A program inside a lab that runs, which another labrun has started.
public enum LabJoin {
    /// The hidden first argument that makes labrun join a lab.
    static let argument = "__in-lab"

    /// A lab of this user that runs.
    public struct Host: Sendable, Hashable {
        /// The number of the lab host, as this process sees it.
        public let processIdentifier: Int32
        /// The mount point of the lab's own file system, whose files only processes of the lab see.
        public let directory: String

        /// Returns a file of the lab's own file system.
        ///
        /// - Parameter limit: The most bytes that are read.
        /// - Throws: `SystemError`, for example because the lab has ended.
        public func file(_ name: String, upTo limit: Int) throws(SystemError) -> [UInt8] {
            let path = "/proc/\(processIdentifier)/root\(directory)/\(name)"
            return try FileDescriptor.open(path, O_RDONLY).read(upTo: limit)
        }
    }

    /// Returns the labs that run and that this user may enter, the oldest first.
    ///
    /// Processes are looked through, because a lab leaves no file outside, by which it could be known.
    public static func hosts() -> [Host] {
        guard let folder = opendir("/proc") else { return [] }
        defer { closedir(folder) }
        var found: [Host] = []
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if let pid = Int32(name), let host = host(pid) { found.append(host) }
        }
        return found.sorted { $0.processIdentifier < $1.processIdentifier }
    }

    private static func host(_ pid: Int32) -> Host? {
        func text(_ name: String) -> [UInt8]? {
            try? FileDescriptor.open("/proc/\(pid)/\(name)", O_RDONLY).read(upTo: 4096)
        }
        guard text("comm") == Array("labrun-host\n".utf8), let line = text("cmdline") else { return nil }
        let words = line.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
        guard words.count >= 3, words[1] == LabNamespace.argument, access("/proc/\(pid)/root\(words[2])", R_OK) == 0
        else { return nil }
        return Host(processIdentifier: pid, directory: words[2])
    }

    /// Becomes a program inside a lab. It does not return unless that fails.
    ///
    /// - Parameters:
    ///   - network: A descriptor of the lab host that is a network namespace.
    ///   - words: The path of the program, and its arguments.
    public static func become(_ words: [String], in host: Host, network: Int32) throws(SystemError) -> Never {
        // Only a process with one thread may join a user namespace, so this program begins anew.
        let all = ["labrun", argument, "\(host.processIdentifier)", "\(network)"] + words
        withArguments(all) { arguments in _ = execv("/proc/self/exe", arguments) }
        throw .last("execv", "/proc/self/exe")
    }

    /// Joins a lab if the command line says so, and never returns then.
    ///
    /// Call it first of all in `main`, before anything could start a thread.
    public static func joinIfAsked(_ commandLine: [String] = CommandLine.arguments) {
        guard commandLine.count >= 5, commandLine[1] == argument, let host = Int32(commandLine[2]),
            let network = Int32(commandLine[3])
        else { return }
        withArguments(Array(commandLine.dropFirst(4))) { arguments in
            var options = lab_join_options(lab_host: host, network: network, arguments: arguments)
            let call = lab_join(&options).map { String(cString: $0) } ?? "lab_join"
            let error = SystemError.last(call, "lab \(host)")
            let message = Array("labrun: cannot enter the lab: \(error)\n".utf8)
            _ = message.withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
        }
        exit(3)
    }

    private static func withArguments(
        _ words: [String], _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Void
    ) {
        var pointers = words.map { (word: String) in strdup(word) }
        pointers.append(nil)
        defer { pointers.forEach { free($0) } }
        pointers.withUnsafeMutableBufferPointer { buffer in
            if let base = buffer.baseAddress { body(base) }
        }
    }
}
