/// One Debian package as the archive's signed index names it.
struct DebianPackage: Sendable, Codable, Equatable {
    let name: String
    let version: String
    /// The SHA-256 of the `.deb`, in lower-case hexadecimal.
    let sha256: String
    let bytes: Int
}

/// The packages that a series stands for at one moment. They are kept in the cache, so that no later run needs the
/// network.
struct ResolvedKernel: Sendable, Codable, Equatable {
    let series: KernelSeries
    /// For example `6.1.0-50-cloud-amd64`.
    let release: String
    /// The version of the package that holds the kernel.
    let version: String
    let packages: [DebianPackage]
}

/// Where packages come from.
protocol DebianPackageSource: Sendable {
    /// Returns what the archive has for a series now. `scratch` is an empty directory for the source's own state. The
    /// same directory is passed to `download` afterwards.
    func resolve(_ series: KernelSeries, scratch: String) async throws -> ResolvedKernel
    /// Returns the packages that a userland recipe stands for now, including all that they depend on.
    func resolve(_ userland: UserlandRecipe, scratch: String) async throws -> ResolvedUserland
    /// Downloads the packages into `scratch` and returns their paths in the order of the packages.
    func download(_ packages: [DebianPackage], scratch: String) async throws -> [String]
    /// Returns the source and the packages that a recipe of the control plane stands for now.
    func resolve(_ controlPlane: ControlPlaneRecipe, scratch: String) async throws -> ResolvedControlPlane
    /// Downloads the tarballs of a source into `scratch` and returns their paths in the order of the files.
    func download(_ source: DebianSource, scratch: String) async throws -> [String]
}

extension DebianPackage {
    /// - Throws: ``ImageError`` `corruptDownload` when the file at `path` is not this package.
    func verify(_ path: String) throws { try verifyDownload(path, sha256, of: "\(name) \(version)") }
}

extension DebianSourceFile {
    /// - Throws: ``ImageError`` `corruptDownload` when the file at `path` is not this one.
    func verify(_ path: String) throws { try verifyDownload(path, sha256, of: name) }
}

private func verifyDownload(_ path: String, _ sha256: String, of what: String) throws {
    let found = try FileSource.measure(path).sha256
    guard found == sha256 else {
        throw ImageError(
            .corruptDownload, "\(what) has the wrong SHA-256 (\(found), the archive's index says \(sha256))",
            mend: "run it again; if it happens again, the mirror or the disk is at fault")
    }
}
