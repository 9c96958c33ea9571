import Files
import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// The programs of a control plane, in one folder: labrun's own build of Kubernetes 1.20, or the user's of any version
/// from 1.20 on.
public struct ControlPlanePrograms: Codable, Sendable, Hashable {
    /// An absolute path.
    public let directory: String
    /// What `kube-apiserver --version` says.
    public let version: KubernetesVersion

    /// Looks for the servers in a folder and asks the API server for its version, which blocks for some tenths of a
    /// second.
    ///
    /// - Throws: `ControlPlaneError`, which names what is missing.
    public init(directory: String) throws(ControlPlaneError) {
        guard let resolved = realpath(directory, nil) else {
            throw ControlPlaneError(
                .programs,
                "the folder \(directory) of the control plane's programs cannot be read: "
                    + String(cString: strerror(errno)))
        }
        defer { free(resolved) }
        let folder = String(cString: resolved)
        let missing = ControlPlaneServer.kubernetes.filter { access("\(folder)/\($0.rawValue)", X_OK) != 0 }
        guard missing.isEmpty else {
            throw ControlPlaneError(
                .programs,
                "\(folder) lacks " + missing.map(\.rawValue).joined(separator: ", "),
                mend: "put an executable of each there, or let labrun build its own")
        }
        let version = try Self.version(of: "\(folder)/\(ControlPlaneServer.apiServer.rawValue)")
        guard version >= .oldest else {
            throw ControlPlaneError(
                .programs, "\(folder) has Kubernetes \(version)", mend: "labs need v1.20 or newer")
        }
        self.directory = folder
        self.version = version
    }

    /// Programs that are known to be there.
    public init(directory: String, version: KubernetesVersion) {
        self.directory = directory
        self.version = version
    }

    func path(of server: ControlPlaneServer) -> String {
        // What labrun brings itself is this program under another name.
        server.isOwn ? "/proc/self/exe" : "\(directory)/\(server.rawValue)"
    }

    /// The path of a kubectl that lies beside the servers; nil if none does.
    public var kubectl: String? {
        let path = "\(directory)/kubectl"
        return access(path, X_OK) == 0 ? path : nil
    }

    private static func version(of path: String) throws(ControlPlaneError) -> KubernetesVersion {
        let (text, ending) = try output(of: path, ["--version"], within: .seconds(20))
        guard let version = KubernetesVersion(text) else {
            throw ControlPlaneError(
                .programs, "\(path) --version says no version (\(ending)): \(text.prefix(300))")
        }
        return version
    }

    /// The first 64 KiB of what a program writes.
    private static func output(
        of path: String, _ arguments: [String], within limit: Duration
    ) throws(ControlPlaneError) -> (text: String, ending: String) {
        do {
            let program = try SpawnedProgram.start(path, arguments, environment: ["PATH": "/usr/bin:/bin"])
            let deadline = Deadline.after(limit)
            var bytes: [UInt8] = []
            while try waitUntilReady(program.output.rawValue, events: Int16(POLLIN), until: deadline) {
                let piece = try program.output.read()
                if piece.isEmpty || bytes.count > 65_536 { break }
                bytes += piece
            }
            if try !program.handle.hasEnded(by: deadline) { try program.handle.send(signal: SIGKILL) }
            return (String(decoding: bytes.prefix(65_536), as: UTF8.self), "\(try program.handle.wait())")
        } catch {
            throw ControlPlaneError(.programs, "\(path) could not be run: \(error)")
        }
    }
}
