/// The parts of the HTML report, embedded so that `labrun` runs from any directory.
public enum ReportTemplates {
    /// Mustache template of the page.
    public static var page: String { String(decoding: PackageResources.report_html, as: UTF8.self) }
    public static var style: String { String(decoding: PackageResources.report_css, as: UTF8.self) }
    public static var script: String { String(decoding: PackageResources.report_js, as: UTF8.self) }
}
