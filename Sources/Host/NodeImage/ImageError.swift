import Glibc
import LinuxKernel

/// Why there is no node image: the kind of failure, the object, and the command that mends it.
public struct ImageError: Error, CustomStringConvertible, Sendable {
    public enum Code: String, Sendable, CaseIterable {
        /// ``KernelSeries`` has no series of that name.
        case unknownKernel
        /// `labnode` or `datapathd` is not where guest binaries are looked for.
        case guestBinaryMissing
        /// A program that the build runs is not installed.
        case toolMissing
        /// The package archive could not be asked, or did not deliver.
        case downloadFailed
        /// A file that was downloaded, or one in the cache, has another digest than the archive's index says.
        case corruptDownload
        /// The package does not have what a node needs: it is of another series, or a kernel or module is missing.
        case kernelPackageUnusable
        /// The archive lacks a package of the userland, or a package lacks what its programs need.
        case packagesUnusable
        /// The disk of the cache directory is full, or a quota or the limit of a file's size was reached.
        case diskFull
        /// The cache directory cannot be used, for want of permissions or because a file has its name.
        case cacheUnusable
        /// A program of the build failed for another reason.
        case toolFailed
    }

    public let code: Code
    /// What failed on which object, without the mend.
    public let message: String
    /// What the user can do about it, usually a command line.
    public let mend: String?
    /// The error underneath, where there is one.
    public let cause: (any Error)?

    public init(_ code: Code, _ message: String, mend: String? = nil, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.mend = mend
        self.cause = cause
    }

    public var description: String {
        var text = message
        if let cause { text += ": \(cause)" }
        if let mend { text += " (\(mend))" }
        return text
    }
}

extension ImageError {
    /// Turns a failed system call on the cache into `diskFull` or `cacheUnusable`.
    static func cache(_ error: SystemError, _ doing: String) -> ImageError {
        switch error.code {
        case ENOSPC, EDQUOT, EFBIG:
            return ImageError(
                .diskFull, "no space left while \(doing)",
                mend: "free some space, run 'labrun image prune', or set XDG_CACHE_HOME to a larger disk",
                cause: error)
        case EACCES, EPERM, EROFS:
            return ImageError(
                .cacheUnusable, "no permission while \(doing)",
                mend: "make the directory writable, or set XDG_CACHE_HOME to one that is", cause: error)
        default:
            return ImageError(.cacheUnusable, "failed while \(doing)", cause: error)
        }
    }
}
