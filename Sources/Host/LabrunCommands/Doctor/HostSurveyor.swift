import Foundation
import Libvirt
import LinuxKernel
import NodeImage

/// Looks at this host, and judges nothing.
struct HostSurveyor {
    private let files = FileManager.default
    private let environment = ProcessInfo.processInfo.environment

    func survey() async -> HostSurvey {
        let store = ImageStore()
        var failure: HostSurvey.NamespaceFailure?
        var trials: [String: NamespaceTrial] = [:]
        do {
            trials = try await NamespaceTrials.collect()
        } catch let error as LabEntryError {
            failure = .init(
                message: "\(LabEntryError(stage: error.stage, code: error.code, mend: ""))", mend: error.mend)
        } catch {
            failure = .init(message: "\(error)", mend: "")
        }
        let images = (try? store.list()) ?? []
        // A lab of any of the kernels has tried it.
        let acceleration = images.lazy.compactMap {
            AccelerationProbe(kernel: $0.kernelPath, cacheDirectory: store.cacheDirectory).kept()
        }.first
        let archiveFailure = await archiveFailure()
        return HostSurvey(
            emulator: isOnPath("qemu-system-x86_64"), libvirtDriver: hasLibvirtDriver, namespaceFailure: failure,
            trials: trials, images: images.count, archiveFailure: archiveFailure, cacheDirectory: store.cacheDirectory,
            freeMiB: freeMiB(store.cacheDirectory), guestDirectory: guestDirectory,
            missingTools: ["dpkg-deb", "apt-get", "depmod", "xz"].filter { !isOnPath($0) },
            acceleration: acceleration?.reason ?? (files.fileExists(atPath: "/dev/kvm") ? nil : "no /dev/kvm"),
            hardwareAcceleration: acceleration?.accelerator == .kvm)
    }

    private func isOnPath(_ tool: String) -> Bool {
        // The PATH of an ordinary user lacks the sbin folders, where depmod is.
        let folders =
            (environment["PATH"] ?? "").split(separator: ":").map(String.init) + ["/usr/sbin", "/sbin", "/usr/bin"]
        return folders.contains { files.isExecutableFile(atPath: $0 + "/" + tool) }
    }

    private var hasLibvirtDriver: Bool {
        let driver = "/libvirt/connection-driver/libvirt_driver_qemu.so"
        return ["/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib"].contains {
            files.fileExists(atPath: $0 + driver)
        }
    }

    private var guestDirectory: String? {
        ImageStore.standardGuestDirectories.first { folder in
            ["labnode", "datapathd"].allSatisfy { files.isReadableFile(atPath: folder + "/" + $0) }
        }
    }

    /// Returns the free space at the place where the cache is or would be made.
    private func freeMiB(_ path: String) -> Int {
        var folder = path
        while !files.fileExists(atPath: folder), folder.count > 1 {
            folder = (folder as NSString).deletingLastPathComponent
        }
        var information = statvfs()
        guard statvfs(folder, &information) == 0 else { return 0 }
        return Int((UInt64(information.f_bavail) * UInt64(information.f_frsize)) >> 20)
    }

    /// Whether the package archive, or the proxy in front of it, takes a connection within 3 s.
    private func archiveFailure() async -> String? {
        let mirror = environment["LABRUN_DEBIAN_MIRROR"].flatMap { $0.isEmpty ? nil : $0 }
        let target = environment["http_proxy"].flatMap { $0.isEmpty ? nil : $0 } ?? mirror ?? "http://deb.debian.org"
        guard let url = URL(string: target), let host = url.host else { return "\(target) is not a URL" }
        let port = url.port ?? (url.scheme == "https" ? 443 : 80)
        let answer = try? await onOwnThread("archive") { Self.connects(host, port, until: .after(.seconds(3))) }
        return answer == true ? nil : "\(host):\(port) does not answer"
    }

    private static func connects(_ host: String, _ port: Int, until deadline: Deadline) -> Bool {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, "\(port)", &hints, &list) == 0 else { return false }
        defer { freeaddrinfo(list) }
        var next = list
        while let address = next?.pointee {
            next = address.ai_next
            guard
                let socket = try? FileDescriptor(
                    owning: check("socket") { Foundation.socket(address.ai_family, address.ai_socktype, 0) })
            else { continue }
            guard (try? socket.setNonBlocking()) != nil else { continue }
            if connect(socket.rawValue, address.ai_addr, address.ai_addrlen) == 0 { return true }
            guard errno == EINPROGRESS,
                (try? waitUntilReady(socket.rawValue, events: Int16(POLLOUT), until: deadline)) == true
            else { continue }
            var failure: Int32 = 0
            var size = socklen_t(MemoryLayout<Int32>.size)
            getsockopt(socket.rawValue, SOL_SOCKET, SO_ERROR, &failure, &size)
            if failure == 0 { return true }
        }
        return false
    }
}
