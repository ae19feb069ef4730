# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_cctv_s3_pipeline_global_optspecs
    string join \n c/config= h/help V/version
end

function __fish_cctv_s3_pipeline_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_cctv_s3_pipeline_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_cctv_s3_pipeline_using_subcommand
    set -l cmd (__fish_cctv_s3_pipeline_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_needs_command" -s c -l config -d 'Configuration file [default: ./config.toml, else /etc/cctv-s3-pipeline/config.toml]' -r -F
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_needs_command" -s h -l help -d 'Print help'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_needs_command" -s V -l version -d 'Print version'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_needs_command" -f -a "setup" -d 'Ask for a camera and a bucket, try both, write the configuration, and start the service'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_needs_command" -f -a "run" -d 'Record, upload and serve: everything, in one process'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_needs_command" -f -a "capture" -d 'Only record, and keep the disk within its limits; `upload` and `serve` may run beside it'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_needs_command" -f -a "upload" -d 'Only upload what is recorded'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_needs_command" -f -a "serve" -d 'Only serve playlists, segments and health over HTTP'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_needs_command" -f -a "check" -d 'Say what works, what does not, and what to do; exits with 1 if anything fails'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_needs_command" -f -a "status" -d 'Per camera: state, segments and bytes by state, age of the backlog'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_needs_command" -f -a "report" -d 'A camera\'s day: what is recorded, what is in S3, and every gap with its reason'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_needs_command" -f -a "retry" -d 'Queue segments again that had failed for good'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_needs_command" -f -a "clean" -d 'Apply the local buffer and the disk limits now'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_needs_command" -f -a "user" -d 'Who may log in; passwords are read from the terminal or standard input, never from the command line'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_needs_command" -f -a "lifecycle" -d 'What the bucket does with footage that grows old, and what it costs a month'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_needs_command" -f -a "alert" -d 'The messages of `[[alert]]`'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_needs_command" -f -a "share" -d 'Links to one camera for people without a password'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand setup" -l camera-name -d 'a-z, 0-9 and -; one that is in the file is changed' -r
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand setup" -l camera-ip -d 'A camera of the Dahua and CP Plus kind' -r
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand setup" -l camera-url -d 'Any other: rtsp://HOST/PATH or rtsps://HOST/PATH, without name and password' -r
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand setup" -l camera-user -d 'Who to log in as; "" for no login' -r
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand setup" -l bucket -d 'Where footage goes; the bucket must exist' -r
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand setup" -l region -d 'Where the bucket is, such as ap-south-1' -r
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand setup" -l endpoint -d 'Another S3-compatible store than AWS' -r
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand setup" -s c -l config -d 'Configuration file [default: ./config.toml, else /etc/cctv-s3-pipeline/config.toml]' -r -F
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand setup" -l find -d 'List the cameras of this network that answer ONVIF, and do nothing else'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand setup" -l yes -d 'Ask nothing: what is not given has its default, or is an error'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand setup" -l no-test -d 'Write the file although camera or bucket do not work yet'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand setup" -l no-start -d 'Do not enable and start the service'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand setup" -s h -l help -d 'Print help'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand run" -s c -l config -d 'Configuration file [default: ./config.toml, else /etc/cctv-s3-pipeline/config.toml]' -r -F
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand run" -s h -l help -d 'Print help'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand capture" -s c -l config -d 'Configuration file [default: ./config.toml, else /etc/cctv-s3-pipeline/config.toml]' -r -F
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand capture" -s h -l help -d 'Print help'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand upload" -s c -l config -d 'Configuration file [default: ./config.toml, else /etc/cctv-s3-pipeline/config.toml]' -r -F
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand upload" -s h -l help -d 'Print help'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand serve" -s c -l config -d 'Configuration file [default: ./config.toml, else /etc/cctv-s3-pipeline/config.toml]' -r -F
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand serve" -s h -l help -d 'Print help'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand check" -s c -l config -d 'Configuration file [default: ./config.toml, else /etc/cctv-s3-pipeline/config.toml]' -r -F
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand check" -l bench -d 'With `pipeline`: also how fast this machine decodes, scales and encodes, and how many cameras that makes; half a minute'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand status" -s c -l config -d 'Configuration file [default: ./config.toml, else /etc/cctv-s3-pipeline/config.toml]' -r -F
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand status" -l json -d 'For programs'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand status" -s h -l help -d 'Print help'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand report" -l camera -d 'Whose day; not needed where the file has one camera' -r
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand report" -l date -d 'A day in UTC; today without it' -r
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand report" -s c -l config -d 'Configuration file [default: ./config.toml, else /etc/cctv-s3-pipeline/config.toml]' -r -F
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand report" -l json -d 'For programs'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand report" -s h -l help -d 'Print help'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand retry" -l camera -d 'Only this camera\'s' -r
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand retry" -s c -l config -d 'Configuration file [default: ./config.toml, else /etc/cctv-s3-pipeline/config.toml]' -r -F
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand retry" -s h -l help -d 'Print help'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand clean" -s c -l config -d 'Configuration file [default: ./config.toml, else /etc/cctv-s3-pipeline/config.toml]' -r -F
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand clean" -s h -l help -d 'Print help'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand user; and not __fish_seen_subcommand_from add passwd remove list help" -s c -l config -d 'Configuration file [default: ./config.toml, else /etc/cctv-s3-pipeline/config.toml]' -r -F
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand user; and not __fish_seen_subcommand_from add passwd remove list help" -s h -l help -d 'Print help'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand user; and not __fish_seen_subcommand_from add passwd remove list help" -f -a "add" -d 'Add a user; asks for the password'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand user; and not __fish_seen_subcommand_from add passwd remove list help" -f -a "passwd" -d 'Set a new password; browsers that are logged in with the old one are logged out'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand user; and not __fish_seen_subcommand_from add passwd remove list help" -f -a "remove" -d 'Remove a user; browsers that are logged in are logged out'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand user; and not __fish_seen_subcommand_from add passwd remove list help" -f -a "list" -d 'Everybody, with roles'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand user; and not __fish_seen_subcommand_from add passwd remove list help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand user; and __fish_seen_subcommand_from add" -l role -d 'What the user may do' -r -f -a "viewer\t'Live, recent and the page'
admin\t'Everything'"
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand user; and __fish_seen_subcommand_from add" -s c -l config -d 'Configuration file [default: ./config.toml, else /etc/cctv-s3-pipeline/config.toml]' -r -F
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand user; and __fish_seen_subcommand_from add" -l random -d 'Make up a password and print it, instead of asking for one'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand user; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand user; and __fish_seen_subcommand_from passwd" -s c -l config -d 'Configuration file [default: ./config.toml, else /etc/cctv-s3-pipeline/config.toml]' -r -F
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand user; and __fish_seen_subcommand_from passwd" -l random -d 'Make up a password and print it, instead of asking for one'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand user; and __fish_seen_subcommand_from passwd" -s h -l help -d 'Print help'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand user; and __fish_seen_subcommand_from remove" -s c -l config -d 'Configuration file [default: ./config.toml, else /etc/cctv-s3-pipeline/config.toml]' -r -F
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand user; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand user; and __fish_seen_subcommand_from list" -s c -l config -d 'Configuration file [default: ./config.toml, else /etc/cctv-s3-pipeline/config.toml]' -r -F
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand user; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand user; and __fish_seen_subcommand_from help" -f -a "add" -d 'Add a user; asks for the password'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand user; and __fish_seen_subcommand_from help" -f -a "passwd" -d 'Set a new password; browsers that are logged in with the old one are logged out'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand user; and __fish_seen_subcommand_from help" -f -a "remove" -d 'Remove a user; browsers that are logged in are logged out'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand user; and __fish_seen_subcommand_from help" -f -a "list" -d 'Everybody, with roles'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand user; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand lifecycle; and not __fish_seen_subcommand_from show apply help" -s c -l config -d 'Configuration file [default: ./config.toml, else /etc/cctv-s3-pipeline/config.toml]' -r -F
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand lifecycle; and not __fish_seen_subcommand_from show apply help" -s h -l help -d 'Print help'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand lifecycle; and not __fish_seen_subcommand_from show apply help" -f -a "show" -d 'Show the bucket\'s rule, the one of `[s3.lifecycle]`, and a monthly estimate; changes nothing'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand lifecycle; and not __fish_seen_subcommand_from show apply help" -f -a "apply" -d 'Write the rule of `[s3.lifecycle]` into the bucket; the rules of others stay as they are'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand lifecycle; and not __fish_seen_subcommand_from show apply help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand lifecycle; and __fish_seen_subcommand_from show" -s c -l config -d 'Configuration file [default: ./config.toml, else /etc/cctv-s3-pipeline/config.toml]' -r -F
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand lifecycle; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand lifecycle; and __fish_seen_subcommand_from apply" -s c -l config -d 'Configuration file [default: ./config.toml, else /etc/cctv-s3-pipeline/config.toml]' -r -F
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand lifecycle; and __fish_seen_subcommand_from apply" -l yes -d 'Do not ask'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand lifecycle; and __fish_seen_subcommand_from apply" -s h -l help -d 'Print help'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand lifecycle; and __fish_seen_subcommand_from help" -f -a "show" -d 'Show the bucket\'s rule, the one of `[s3.lifecycle]`, and a monthly estimate; changes nothing'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand lifecycle; and __fish_seen_subcommand_from help" -f -a "apply" -d 'Write the rule of `[s3.lifecycle]` into the bucket; the rules of others stay as they are'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand lifecycle; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand alert; and not __fish_seen_subcommand_from test help" -s c -l config -d 'Configuration file [default: ./config.toml, else /etc/cctv-s3-pipeline/config.toml]' -r -F
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand alert; and not __fish_seen_subcommand_from test help" -s h -l help -d 'Print help'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand alert; and not __fish_seen_subcommand_from test help" -f -a "test" -d 'Send a test message through every alert, and say what became of it; exits with 1 if one fails'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand alert; and not __fish_seen_subcommand_from test help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand alert; and __fish_seen_subcommand_from test" -l name -d 'Only this one' -r
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand alert; and __fish_seen_subcommand_from test" -s c -l config -d 'Configuration file [default: ./config.toml, else /etc/cctv-s3-pipeline/config.toml]' -r -F
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand alert; and __fish_seen_subcommand_from test" -s h -l help -d 'Print help'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand alert; and __fish_seen_subcommand_from help" -f -a "test" -d 'Send a test message through every alert, and say what became of it; exits with 1 if one fails'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand alert; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand share; and not __fish_seen_subcommand_from add list revoke help" -s c -l config -d 'Configuration file [default: ./config.toml, else /etc/cctv-s3-pipeline/config.toml]' -r -F
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand share; and not __fish_seen_subcommand_from add list revoke help" -s h -l help -d 'Print help'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand share; and not __fish_seen_subcommand_from add list revoke help" -f -a "add" -d 'Make a link; it is printed once'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand share; and not __fish_seen_subcommand_from add list revoke help" -f -a "list" -d 'The links that work, without their secret part'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand share; and not __fish_seen_subcommand_from add list revoke help" -f -a "revoke" -d 'End a link at once'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand share; and not __fish_seen_subcommand_from add list revoke help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand share; and __fish_seen_subcommand_from add" -l camera -d 'Whose pictures; not needed where the file has one camera' -r
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand share; and __fish_seen_subcommand_from add" -l hours -d 'How long it works' -r
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand share; and __fish_seen_subcommand_from add" -l note -d 'For whom it is, for `list`' -r
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand share; and __fish_seen_subcommand_from add" -s c -l config -d 'Configuration file [default: ./config.toml, else /etc/cctv-s3-pipeline/config.toml]' -r -F
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand share; and __fish_seen_subcommand_from add" -l live-only -d 'The live picture alone, not what was recorded'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand share; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand share; and __fish_seen_subcommand_from list" -s c -l config -d 'Configuration file [default: ./config.toml, else /etc/cctv-s3-pipeline/config.toml]' -r -F
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand share; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand share; and __fish_seen_subcommand_from revoke" -s c -l config -d 'Configuration file [default: ./config.toml, else /etc/cctv-s3-pipeline/config.toml]' -r -F
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand share; and __fish_seen_subcommand_from revoke" -s h -l help -d 'Print help'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand share; and __fish_seen_subcommand_from help" -f -a "add" -d 'Make a link; it is printed once'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand share; and __fish_seen_subcommand_from help" -f -a "list" -d 'The links that work, without their secret part'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand share; and __fish_seen_subcommand_from help" -f -a "revoke" -d 'End a link at once'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand share; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand help; and not __fish_seen_subcommand_from setup run capture upload serve check status report retry clean user lifecycle alert share help" -f -a "setup" -d 'Ask for a camera and a bucket, try both, write the configuration, and start the service'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand help; and not __fish_seen_subcommand_from setup run capture upload serve check status report retry clean user lifecycle alert share help" -f -a "run" -d 'Record, upload and serve: everything, in one process'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand help; and not __fish_seen_subcommand_from setup run capture upload serve check status report retry clean user lifecycle alert share help" -f -a "capture" -d 'Only record, and keep the disk within its limits; `upload` and `serve` may run beside it'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand help; and not __fish_seen_subcommand_from setup run capture upload serve check status report retry clean user lifecycle alert share help" -f -a "upload" -d 'Only upload what is recorded'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand help; and not __fish_seen_subcommand_from setup run capture upload serve check status report retry clean user lifecycle alert share help" -f -a "serve" -d 'Only serve playlists, segments and health over HTTP'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand help; and not __fish_seen_subcommand_from setup run capture upload serve check status report retry clean user lifecycle alert share help" -f -a "check" -d 'Say what works, what does not, and what to do; exits with 1 if anything fails'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand help; and not __fish_seen_subcommand_from setup run capture upload serve check status report retry clean user lifecycle alert share help" -f -a "status" -d 'Per camera: state, segments and bytes by state, age of the backlog'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand help; and not __fish_seen_subcommand_from setup run capture upload serve check status report retry clean user lifecycle alert share help" -f -a "report" -d 'A camera\'s day: what is recorded, what is in S3, and every gap with its reason'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand help; and not __fish_seen_subcommand_from setup run capture upload serve check status report retry clean user lifecycle alert share help" -f -a "retry" -d 'Queue segments again that had failed for good'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand help; and not __fish_seen_subcommand_from setup run capture upload serve check status report retry clean user lifecycle alert share help" -f -a "clean" -d 'Apply the local buffer and the disk limits now'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand help; and not __fish_seen_subcommand_from setup run capture upload serve check status report retry clean user lifecycle alert share help" -f -a "user" -d 'Who may log in; passwords are read from the terminal or standard input, never from the command line'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand help; and not __fish_seen_subcommand_from setup run capture upload serve check status report retry clean user lifecycle alert share help" -f -a "lifecycle" -d 'What the bucket does with footage that grows old, and what it costs a month'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand help; and not __fish_seen_subcommand_from setup run capture upload serve check status report retry clean user lifecycle alert share help" -f -a "alert" -d 'The messages of `[[alert]]`'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand help; and not __fish_seen_subcommand_from setup run capture upload serve check status report retry clean user lifecycle alert share help" -f -a "share" -d 'Links to one camera for people without a password'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand help; and not __fish_seen_subcommand_from setup run capture upload serve check status report retry clean user lifecycle alert share help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand help; and __fish_seen_subcommand_from user" -f -a "add" -d 'Add a user; asks for the password'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand help; and __fish_seen_subcommand_from user" -f -a "passwd" -d 'Set a new password; browsers that are logged in with the old one are logged out'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand help; and __fish_seen_subcommand_from user" -f -a "remove" -d 'Remove a user; browsers that are logged in are logged out'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand help; and __fish_seen_subcommand_from user" -f -a "list" -d 'Everybody, with roles'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand help; and __fish_seen_subcommand_from lifecycle" -f -a "show" -d 'Show the bucket\'s rule, the one of `[s3.lifecycle]`, and a monthly estimate; changes nothing'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand help; and __fish_seen_subcommand_from lifecycle" -f -a "apply" -d 'Write the rule of `[s3.lifecycle]` into the bucket; the rules of others stay as they are'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand help; and __fish_seen_subcommand_from alert" -f -a "test" -d 'Send a test message through every alert, and say what became of it; exits with 1 if one fails'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand help; and __fish_seen_subcommand_from share" -f -a "add" -d 'Make a link; it is printed once'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand help; and __fish_seen_subcommand_from share" -f -a "list" -d 'The links that work, without their secret part'
complete -c cctv-s3-pipeline -n "__fish_cctv_s3_pipeline_using_subcommand help; and __fish_seen_subcommand_from share" -f -a "revoke" -d 'End a link at once'
