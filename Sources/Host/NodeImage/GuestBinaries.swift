import Digest
import Foundation
import LinuxKernel

/// The static executables that a node runs, found on the host, with their digests.
struct GuestBinaries: Sendable {
    struct Binary: Sendable {
        let path: String
        let bytes: Int
        let sha256: String
    }

    let labnode: Binary
    let datapathd: Binary
    /// The program that checks and measures the datapath. It is nil in the images of labs.
    var labverify: Binary?

    /// The directories that are searched in this order: `$LABRUN_GUEST_DIR`, `guest/` next to the real executable, and
    /// `../libexec/labrun/`, where an installation has them.
    static func searchPath(environment: [String: String], executable: String?) -> [String] {
        if let named = environment["LABRUN_GUEST_DIR"], !named.isEmpty { return [named] }
        guard let executable else { return [] }
        let directory = (executable as NSString).deletingLastPathComponent
        return [directory + "/guest", (directory + "/../libexec/labrun" as NSString).standardizingPath]
    }

    /// Finds and hashes the binaries in the first directory that has them all.
    ///
    /// - Parameter withChecks: whether `labverify` is one of them.
    static func locate(in directories: [String], withChecks: Bool = false) throws -> GuestBinaries {
        let names = ["labnode", "datapathd"] + (withChecks ? ["labverify"] : [])
        for directory in directories {
            let paths = names.map { directory + "/" + $0 }
            guard paths.allSatisfy({ FileManager.default.isReadableFile(atPath: $0) }) else { continue }
            return GuestBinaries(
                labnode: try measure(paths[0]), datapathd: try measure(paths[1]),
                labverify: withChecks ? try measure(paths[2]) : nil)
        }
        let places = directories.isEmpty ? "no directory is known" : directories.joined(separator: ", ")
        throw ImageError(
            .guestBinaryMissing, "\(names.joined(separator: " and ")) were not found (looked in: \(places))",
            mend: "run 'make build', or set LABRUN_GUEST_DIR to the directory that has them")
    }

    private static func measure(_ path: String) throws -> Binary {
        var digest = SHA256Digest()
        var bytes = 0
        try FileSource.read(path) { chunk in
            digest.update(chunk)
            bytes += chunk.count
        }
        return Binary(path: path, bytes: bytes, sha256: digest.hex())
    }
}
