import Foundation

/// What an image was made of and what files it must have. It lies next to them as `manifest.json`.
struct ImageManifest: Sendable, Codable, Equatable {
    let digest: String
    let recipe: ImageRecipe
    let kernel: ResolvedKernel
    let labnodeSHA256: String
    let datapathdSHA256: String
    /// It is nil in the images of labs.
    let labverifySHA256: String?
    let kernelBytes: Int
    let initrdBytes: Int
    let initrdSHA256: String

    /// Reads the manifest in `directory`. The result is nil unless the image is complete, that is, the manifest can be
    /// read and both files have their sizes.
    static func load(_ directory: String) -> ImageManifest? {
        guard let data = FileManager.default.contents(atPath: directory + "/manifest.json"),
            let manifest = try? JSONDecoder().decode(ImageManifest.self, from: data),
            ImageCache.size(of: directory + "/kernel") == manifest.kernelBytes,
            ImageCache.size(of: directory + "/initrd.cpio") == manifest.initrdBytes
        else { return nil }
        return manifest
    }

    func artifact(in directory: String) -> NodeImageArtifact {
        NodeImageArtifact(
            digest: digest, kernelPath: directory + "/kernel", initrdPath: directory + "/initrd.cpio",
            kernelRelease: kernel.release, series: recipe.series, packageVersion: kernel.version,
            bytes: kernelBytes + initrdBytes)
    }
}
