//! FTP and FTPS. The only room that names suppaftp.
