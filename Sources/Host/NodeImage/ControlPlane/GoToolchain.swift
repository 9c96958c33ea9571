import Foundation
import Subprocess

/// Debian's Go, unpacked into a folder of the build. It reads nothing of the host's own Go or of its settings, and
/// nothing of the network.
struct GoToolchain: Sendable {
    /// `GOROOT`.
    let root: String
    /// `GOPATH`, with the sources at `src/k8s.io/kubernetes`.
    let sources: String
    /// An empty folder for the compiler's own files: its cache, temporary files and home.
    let work: String
    /// Where compiled packages are kept; nil for a folder of the build.
    var cache: String?

    var go: String { root + "/bin/go" }

    /// All variables that the compiler and the programs of the build see.
    var environment: [String: String] {
        [
            "GOROOT": root, "GOPATH": sources, "GOCACHE": cache ?? work + "/cache", "GOTMPDIR": work + "/tmp",
            "TMPDIR": work + "/tmp", "HOME": work + "/home", "PATH": root + "/bin:/usr/bin:/bin", "GO111MODULE": "off",
            "GOPROXY": "off", "GOFLAGS": "", "GOENV": "off", "CGO_ENABLED": "0", "GOOS": "linux", "GOARCH": "amd64",
            "GOAMD64": "v1", "GOTOOLCHAIN": "local", "LC_ALL": "C", "TZ": "UTC",
            // The compiler is many short programs: seldom collected garbage is a seventh of their time. The limit
            // keeps the largest packages from taking what the machine does not have.
            "GOGC": "400", "GOMEMLIMIT": "\(Self.memoryLimit)MiB",
        ]
    }

    /// MiB from which on one compiler collects its garbage at once: the half of the memory, divided among all
    /// processors, at least 256 and at most 768.
    private static var memoryLimit: Int {
        let information = ProcessInfo.processInfo
        let share = Int(information.physicalMemory >> 21) / max(1, information.activeProcessorCount)
        return min(768, max(256, share))
    }

    /// Makes the folders that ``environment`` names.
    func prepare() throws {
        for name in ["cache", "tmp", "home"] { try ImageCache.makeDirectory("\(work)/\(name)") }
        if let cache { try ImageCache.makeDirectory(cache) }
    }

    /// Builds packages in the folder of Kubernetes' sources.
    ///
    /// - Parameters:
    ///   - options: What comes after the flags that all builds share.
    ///   - compiled: It is called for each package whose compilation begins, with its import path.
    /// - Throws: ``ImageError`` `diskFull` or `toolFailed`, or `CancellationError`. Its processes have ended then.
    func build(_ options: [String], compiled: @escaping @Sendable (String) -> Void) async throws {
        let shared = ["build", "-v", "-trimpath", "-gcflags=\(ControlPlaneRecipe.compilerFlags)"]
        try await BuildTool.follow(
            go, shared + options, environment: environment, in: sources + "/src/k8s.io/kubernetes"
        ) { line in
            // Every other line that the compiler writes is a message, and those have spaces.
            if !line.contains(" "), !line.isEmpty { compiled(line) }
        }
    }
}
