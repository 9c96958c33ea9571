import ArgumentParser
import Foundation
import NodeImage

/// `labrun image list`: lists the images in the cache.
public struct ImageList: AsyncParsableCommand {
    public static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the images in the cache.", aliases: ["ls"])

    @Flag(name: .long, help: "Print JSON, with full digests and paths.")
    public var json = false

    public init() {}

    public func run() async throws {
        let store = ImageStore()
        let images = try store.list()
        let current = store.current()
        let userlands = try store.userlands()
        let currentUserlands = store.currentUserlands()
        let controlPlanes = try store.controlPlanes()
        let currentControlPlane = store.cachedControlPlane()?.digest
        let kubelets = try store.kubeletDisks()
        let currentKubelet = store.cachedKubeletDisk()?.digest
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            let rows = images.map { Row($0, current: current.contains($0.digest)) }
            let listing = Listing(
                images: rows,
                userlands: userlands.map { UserlandRow($0, current: currentUserlands.contains($0.digest)) },
                controlPlanes: controlPlanes.map { ControlPlaneRow($0, current: $0.digest == currentControlPlane) },
                kubelets: kubelets.map { KubeletRow($0, current: $0.digest == currentKubelet) })
            try StandardOutput.write(String(decoding: encoder.encode(listing), as: UTF8.self))
        } else if images.isEmpty, userlands.isEmpty, controlPlanes.isEmpty, kubelets.isEmpty {
            try StandardOutput.write("no images in \(store.cacheDirectory); 'labrun image build' makes one")
        } else {
            var tables: [String] = []
            if !images.isEmpty { tables.append(Self.table(images, current: current)) }
            if !userlands.isEmpty { tables.append(Self.table(userlands, current: currentUserlands)) }
            if !controlPlanes.isEmpty { tables.append(Self.table(controlPlanes, current: currentControlPlane)) }
            if !kubelets.isEmpty { tables.append(Self.table(kubelets, current: currentKubelet)) }
            try StandardOutput.write(tables.joined(separator: "\n\n"))
        }
    }

    /// Returns the table of control planes. A star marks the one that labs start.
    static func table(_ controlPlanes: [ControlPlaneArtifact], current: String?) -> String {
        columns(
            [["CONTROL PLANE", "KUBERNETES", "SIZE", "CURRENT"]]
                + controlPlanes.map { programs in
                    [
                        programs.shortDigest, programs.version, megabytes(programs.bytes),
                        programs.digest == current ? "*" : "",
                    ]
                })
    }

    /// Returns the table of disks with a kubelet. A star marks the one that labs attach.
    static func table(_ kubelets: [KubeletDiskArtifact], current: String?) -> String {
        columns(
            [["KUBELET", "KUBERNETES", "PACKAGES", "SIZE", "CURRENT"]]
                + kubelets.map { disk in
                    [
                        disk.shortDigest, disk.version, disk.packages.joined(separator: ", "), megabytes(disk.bytes),
                        disk.digest == current ? "*" : "",
                    ]
                })
    }

    /// Returns the table of userland disks. A star marks those that labs attach.
    static func table(_ userlands: [UserlandArtifact], current: Set<String>) -> String {
        columns(
            [["USERLAND", "PACKAGES", "SIZE", "CURRENT"]]
                + userlands.map { disk in
                    [
                        disk.shortDigest, String(disk.packages.count), megabytes(disk.bytes),
                        current.contains(disk.digest) ? "*" : "",
                    ]
                })
    }

    private struct Listing: Encodable {
        let images: [Row]
        let userlands: [UserlandRow]
        let controlPlanes: [ControlPlaneRow]
        let kubelets: [KubeletRow]
    }

    private struct KubeletRow: Encodable {
        let digest, path, version: String
        let bytes: Int
        let packages: [String]
        let current: Bool

        init(_ disk: KubeletDiskArtifact, current: Bool) {
            digest = disk.digest
            path = disk.path
            version = disk.version
            bytes = disk.bytes
            packages = disk.packages
            self.current = current
        }
    }

    private struct ControlPlaneRow: Encodable {
        let digest, path, version: String
        let bytes: Int
        let current: Bool

        init(_ programs: ControlPlaneArtifact, current: Bool) {
            digest = programs.digest
            path = programs.directory
            version = programs.version
            bytes = programs.bytes
            self.current = current
        }
    }

    private struct UserlandRow: Encodable {
        let digest, path: String
        let bytes: Int
        let packages: [String]
        let current: Bool

        init(_ disk: UserlandArtifact, current: Bool) {
            digest = disk.digest
            path = disk.path
            bytes = disk.bytes
            packages = disk.packages
            self.current = current
        }
    }

    /// Returns the table of images, in left-aligned columns two spaces apart. A star marks images of today's guest
    /// binaries.
    static func table(_ images: [NodeImageArtifact], current: Set<String>) -> String {
        let head = ["KERNEL", "IMAGE", "RELEASE", "PACKAGE", "SIZE", "CURRENT"]
        let rows =
            [head]
            + images.map { image in
                [
                    image.series.rawValue, image.shortDigest, image.kernelRelease, image.packageVersion,
                    megabytes(image.bytes), current.contains(image.digest) ? "*" : "",
                ]
            }
        return columns(rows)
    }

    /// An image in the output of `--json`.
    private struct Row: Encodable {
        let digest, kernel, release, packageVersion, kernelPath, initrdPath: String
        let bytes: Int
        let current: Bool

        init(_ image: NodeImageArtifact, current: Bool) {
            digest = image.digest
            kernel = image.series.rawValue
            release = image.kernelRelease
            packageVersion = image.packageVersion
            kernelPath = image.kernelPath
            initrdPath = image.initrdPath
            bytes = image.bytes
            self.current = current
        }
    }
}
